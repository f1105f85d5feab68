package kernels

import (
	"github.com/klauspost/cpuid/v2"
	"golang.org/x/sys/unix"
)

// systemHas adds what cpuid does not ask for.
func systemHas(f cpuid.FeatureID) bool {
	// every Apple chip has these instructions
	return f == cpuid.ASIMDHP && sysctl("hw.optional.arm.FEAT_FP16") || f == cpuid.ASIMD
}

func systemHasSME() bool { return sysctl("hw.optional.arm.FEAT_SME") }

func sysctl(name string) bool {
	v, err := unix.SysctlUint32(name)
	return err == nil && v != 0
}

// systemProcessor has nothing to add to the name that cpuid has.
func systemProcessor() string { return "" }
