package kernels

import "golang.org/x/sys/windows"

// hasBF16 asks the system, which does not let programs read the registers of the processor.
func hasBF16() bool {
	return windows.IsProcessorFeaturePresent(windows.PF_ARM_V86_BF16_INSTRUCTIONS_AVAILABLE)
}
