//go:build !amd64 && !arm64

package kernels

func processorName() string { return "" }

func processorFeatures() []string { return nil }
