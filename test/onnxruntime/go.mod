module fasternet/test/onnxruntime

go 1.26.4

toolchain go1.26.8

require (
	fasternet v0.0.0
	github.com/yalue/onnxruntime_go v1.27.0
)

replace fasternet => ../..
