package sets

import (
	"hash/crc32"
	"os"

	"fasternet/data"
)

// fileSize returns the size of a file, or 0 if it does not exist: reading it will report this.
func fileSize(path string) uint64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return uint64(info.Size())
}

// pixelSum returns a checksum of an image in memory.
func pixelSum(ds data.Dataset, i int) uint64 {
	m, err := ds.Image(i)
	if err != nil {
		return 0
	}
	return uint64(crc32.Checksum(m.Pix, castagnoli))
}
