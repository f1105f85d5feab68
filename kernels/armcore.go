package kernels

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// midr is the main ID register of an ARM core: it names the implementer and the part.
type midr uint32

func (m midr) implementer() int { return int(m >> 24) }

func (m midr) part() int { return int(m >> 4 & 0xfff) }

// String names the core if it is known.
func (m midr) String() string {
	if m == 0 {
		return ""
	}
	if name := armParts[[2]int{m.implementer(), m.part()}]; name != "" {
		return name
	}
	if name := armImplementers[m.implementer()]; name != "" {
		return fmt.Sprintf("%s part 0x%03x", name, m.part())
	}
	return fmt.Sprintf("ARM implementer 0x%02x part 0x%03x", m.implementer(), m.part())
}

// parseCPUInfo reads the cores from arm64's /proc/cpuinfo. A program under an emulator
// sees the file of another architecture, which lists none.
func parseCPUInfo(text string) (cores []midr) {
	var implementer uint64
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, ":")
		v, err := strconv.ParseUint(strings.TrimSpace(value), 0, 32)
		if err != nil {
			continue
		}
		switch strings.TrimSpace(key) {
		case "CPU implementer":
			implementer = v
		case "CPU part":
			cores = append(cores, midr(implementer&0xff<<24|v&0xfff<<4))
		}
	}
	return cores
}

// describeCores names the cores. If there are several kinds, it gives the number of
// each, the largest number first.
func describeCores(cores []midr) string {
	counts := map[midr]int{}
	var kinds []midr
	for _, c := range cores {
		if counts[c]++; counts[c] == 1 {
			kinds = append(kinds, c)
		}
	}
	if len(kinds) == 1 {
		return kinds[0].String()
	}
	slices.SortStableFunc(kinds, func(a, b midr) int { return counts[b] - counts[a] })
	var parts []string
	for _, k := range kinds {
		parts = append(parts, fmt.Sprintf("%d × %s", counts[k], k))
	}
	return strings.Join(parts, " and ")
}

// machineModel returns the machine's name in a device tree, to add to the name of the cores.
func machineModel(text string) string {
	text = strings.TrimSpace(strings.TrimRight(text, "\x00"))
	if text == "" || len(text) > 100 {
		return ""
	}
	return ", " + text
}

var armImplementers = map[int]string{
	0x41: "Arm",
	0x42: "Broadcom",
	0x43: "Cavium",
	0x46: "Fujitsu",
	0x48: "HiSilicon",
	0x4e: "NVIDIA",
	0x50: "Applied Micro",
	0x51: "Qualcomm",
	0x53: "Samsung",
	0x56: "Marvell",
	0x61: "Apple",
	0x69: "Intel",
	0x6d: "Microsoft",
	0x70: "Phytium",
	0xc0: "Ampere",
}

// armParts maps implementer and part to a name. The numbers are published by the makers;
// Linux and util-linux list them (arch/arm64/include/asm/cputype.h, lscpu-arm.c).
var armParts = map[[2]int]string{
	{0x00, 0x051}: "no ARM core: emulated by QEMU", // its processor "max"

	{0x41, 0xd03}: "Cortex-A53",
	{0x41, 0xd04}: "Cortex-A35",
	{0x41, 0xd05}: "Cortex-A55",
	{0x41, 0xd07}: "Cortex-A57",
	{0x41, 0xd08}: "Cortex-A72",
	{0x41, 0xd09}: "Cortex-A73",
	{0x41, 0xd0a}: "Cortex-A75",
	{0x41, 0xd0b}: "Cortex-A76",
	{0x41, 0xd0c}: "Neoverse N1",
	{0x41, 0xd0d}: "Cortex-A77",
	{0x41, 0xd0e}: "Cortex-A76AE",
	{0x41, 0xd40}: "Neoverse V1",
	{0x41, 0xd41}: "Cortex-A78",
	{0x41, 0xd42}: "Cortex-A78AE",
	{0x41, 0xd44}: "Cortex-X1",
	{0x41, 0xd46}: "Cortex-A510",
	{0x41, 0xd47}: "Cortex-A710",
	{0x41, 0xd48}: "Cortex-X2",
	{0x41, 0xd49}: "Neoverse N2",
	{0x41, 0xd4a}: "Neoverse E1",
	{0x41, 0xd4b}: "Cortex-A78C",
	{0x41, 0xd4c}: "Cortex-X1C",
	{0x41, 0xd4d}: "Cortex-A715",
	{0x41, 0xd4e}: "Cortex-X3",
	{0x41, 0xd4f}: "Neoverse V2",
	{0x41, 0xd80}: "Cortex-A520",
	{0x41, 0xd81}: "Cortex-A720",
	{0x41, 0xd82}: "Cortex-X4",
	{0x41, 0xd83}: "Neoverse V3AE",
	{0x41, 0xd84}: "Neoverse V3",
	{0x41, 0xd85}: "Cortex-X925",
	{0x41, 0xd87}: "Cortex-A725",
	{0x41, 0xd8e}: "Neoverse N3",

	{0x43, 0x0a1}: "Cavium ThunderX",
	{0x43, 0x0af}: "Marvell ThunderX2",
	{0x46, 0x001}: "Fujitsu A64FX",
	{0x48, 0xd01}: "HiSilicon TSV110",
	{0x4e, 0x003}: "NVIDIA Denver 2",
	{0x4e, 0x004}: "NVIDIA Carmel",
	{0x51, 0x001}: "Qualcomm Oryon",
	{0x51, 0x802}: "Qualcomm Kryo 3XX Gold",
	{0x51, 0x803}: "Qualcomm Kryo 3XX Silver",
	{0x51, 0x804}: "Qualcomm Kryo 4XX Gold",
	{0x51, 0x805}: "Qualcomm Kryo 4XX Silver",
	{0x51, 0xc00}: "Qualcomm Falkor",
	{0x61, 0x022}: "Apple M1 Icestorm",
	{0x61, 0x023}: "Apple M1 Firestorm",
	{0x61, 0x024}: "Apple M1 Pro Icestorm",
	{0x61, 0x025}: "Apple M1 Pro Firestorm",
	{0x61, 0x028}: "Apple M1 Max Icestorm",
	{0x61, 0x029}: "Apple M1 Max Firestorm",
	{0x61, 0x032}: "Apple M2 Blizzard",
	{0x61, 0x033}: "Apple M2 Avalanche",
	{0x61, 0x034}: "Apple M2 Pro Blizzard",
	{0x61, 0x035}: "Apple M2 Pro Avalanche",
	{0x61, 0x038}: "Apple M2 Max Blizzard",
	{0x61, 0x039}: "Apple M2 Max Avalanche",
	{0x6d, 0xd49}: "Microsoft Azure Cobalt 100",
	{0xc0, 0xac3}: "Ampere-1",
	{0xc0, 0xac4}: "Ampere-1A",
}
