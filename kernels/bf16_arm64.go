//go:build arm64 && !windows

package kernels

import "github.com/klauspost/cpuid/v2"

// hasBF16 says whether the processor has BFMMLA and its likes.
func hasBF16() bool { return cpuid.CPU.Supports(cpuid.BF16) }
