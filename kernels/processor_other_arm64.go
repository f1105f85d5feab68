//go:build !linux && !darwin && !windows

package kernels

import "github.com/klauspost/cpuid/v2"

func systemHas(cpuid.FeatureID) bool { return false }

func systemHasSME() bool { return false }

func systemProcessor() string { return "" }
