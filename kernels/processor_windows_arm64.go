package kernels

import (
	"strings"

	"github.com/klauspost/cpuid/v2"
	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// systemHas asks Windows, because cpuid knows no features of arm64 there. A Windows that is older
// than the number of a feature denies the feature. So the copies of ID registers in the registry
// are read too, for instructions whose registers every Windows saves.
func systemHas(f cpuid.FeatureID) bool {
	switch f {
	case cpuid.ASIMD:
		return true // Windows runs on no processor without it
	case cpuid.ASIMDHP:
		return windows.IsProcessorFeaturePresent(windows.PF_ARM_V82_FP16_INSTRUCTIONS_AVAILABLE)
	case cpuid.ASIMDDP:
		return windows.IsProcessorFeaturePresent(windows.PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE)
	case cpuid.BF16:
		return windows.IsProcessorFeaturePresent(windows.PF_ARM_V86_BF16_INSTRUCTIONS_AVAILABLE) || isar1()>>44&0xf != 0
	case cpuid.I8MM:
		return windows.IsProcessorFeaturePresent(windows.PF_ARM_V82_I8MM_INSTRUCTIONS_AVAILABLE) || isar1()>>52&0xf != 0
	case cpuid.SVE:
		return windows.IsProcessorFeaturePresent(windows.PF_ARM_SVE_INSTRUCTIONS_AVAILABLE)
	case cpuid.SVE2:
		return windows.IsProcessorFeaturePresent(windows.PF_ARM_SVE2_INSTRUCTIONS_AVAILABLE)
	}
	return false
}

func systemHasSME() bool {
	return windows.IsProcessorFeaturePresent(windows.PF_ARM_SME_INSTRUCTIONS_AVAILABLE)
}

// isar1 returns ID_AA64ISAR1_EL1, or 0.
func isar1() (v uint64) {
	withProcessor(func(k registry.Key) { v, _, _ = k.GetIntegerValue("CP 4031") })
	return v
}

func systemProcessor() (name string) {
	withProcessor(func(k registry.Key) { name, _, _ = k.GetStringValue("ProcessorNameString") })
	return strings.TrimSpace(name)
}

// withProcessor opens the registry's description of the first processor.
func withProcessor(read func(registry.Key)) {
	k, err := registry.OpenKey(
		registry.LOCAL_MACHINE, `HARDWARE\DESCRIPTION\System\CentralProcessor\0`, registry.QUERY_VALUE,
	)
	if err != nil {
		return
	}
	defer k.Close()
	read(k)
}
