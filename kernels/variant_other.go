//go:build !amd64 && !arm64

package kernels

// register adds nothing: there is no assembly for this architecture.
func register() {}

func registerBF16() {}

func registerInt8() {}

func peaksHere() []Peak { return []Peak{{Format: FP32.String(), Path: string(Go), Run: peakGo}} }

func peakLoop(string) (run func(int) int, missing string) { return nil, "not for this architecture" }
