package kernels

import (
	"runtime"
	"strings"
	"testing"
)

func TestParseCPUInfo(t *testing.T) {
	core := func(implementer, part string) string {
		return "processor\t: 0\nBogoMIPS\t: 243.75\nFeatures\t: fp asimd evtstrm\nCPU implementer\t: " + implementer +
			"\nCPU architecture: 8\nCPU variant\t: 0x3\nCPU part\t: " + part + "\nCPU revision\t: 1\n\n"
	}
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"x86-64, as a program under an emulator sees it",
			"processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\n", ""},
		{"Graviton3", strings.Repeat(core("0x41", "0xd40"), 4), "Neoverse V1"},
		{"large and small cores",
			strings.Repeat(core("0x41", "0xd05"), 4) + strings.Repeat(core("0x41", "0xd41"), 2) + core("0x41", "0xd44"),
			"4 × Cortex-A55 and 2 × Cortex-A78 and 1 × Cortex-X1"},
		{"M1 under Linux",
			core("0x61", "0x022") + core("0x61", "0x023"),
			"1 × Apple M1 Icestorm and 1 × Apple M1 Firestorm"},
		{"an unknown part", core("0x41", "0xfff"), "Arm part 0xfff"},
		{"an unknown maker", core("0x99", "0x001"), "ARM implementer 0x99 part 0x001"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := describeCores(parseCPUInfo(c.text)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestMachineModel(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"as the kernel writes it", "Raspberry Pi 5 Model B Rev 1.0\x00", ", Raspberry Pi 5 Model B Rev 1.0"},
		{"empty", "\x00", ""},
		{"too long to be a name", strings.Repeat("x", 101), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := machineModel(c.text); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// Every processor that the kernels are made for has a name and its features.
func TestCPU(t *testing.T) {
	want := map[string]string{"amd64": "(", "arm64": "(ASIMD"}[runtime.GOARCH]
	if got := CPU(); strings.HasPrefix(got, "unknown") || !strings.Contains(got, want) || !strings.HasSuffix(got, ")") {
		t.Errorf("the processor is %q, want its name and %q", got, want)
	}
}
