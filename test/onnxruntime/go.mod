module fasternet/test/onnxruntime

go 1.26.4

require (
	fasternet v0.0.0
	github.com/yalue/onnxruntime_go v1.27.0
)

replace fasternet => ../..
