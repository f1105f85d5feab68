//go:build !linux && !darwin && !windows

package kernels

import "github.com/klauspost/cpuid/v2"

// systemHas knows the instructions that all these processors have.
func systemHas(f cpuid.FeatureID) bool { return f == cpuid.ASIMD }

func systemHasSME() bool { return false }

func systemProcessor() string { return "" }
