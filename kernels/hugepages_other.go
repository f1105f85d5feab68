//go:build !linux

package kernels

func preferHugePages([]float32) {}
