package kernels

import (
	"os"

	"github.com/klauspost/cpuid/v2"
	"golang.org/x/sys/unix"
)

// systemHas adds nothing to what cpuid knows about Linux.
func systemHas(cpuid.FeatureID) bool { return false }

// systemHasSME reads the bit from the second word of features that Linux gives a program.
func systemHasSME() bool {
	const hwcap2, sme = 26, 1 << 23
	aux, err := unix.Auxv()
	if err != nil {
		return false
	}
	for _, a := range aux {
		if a[0] == hwcap2 {
			return a[1]&sme != 0
		}
	}
	return false
}

// systemProcessor names the cores and, if there is a device tree, the machine: "Cortex-A76,
// Raspberry Pi 5 Model B Rev 1.0".
func systemProcessor() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	name := describeCores(parseCPUInfo(string(info)))
	if name == "" {
		return ""
	}
	if model, err := os.ReadFile("/proc/device-tree/model"); err == nil {
		name += machineModel(string(model))
	}
	return name
}
