package sets

import (
	"hash/crc32"
	"os"

	"fasternet/data"
)

// fileSize is 0 for a file that is not there: reading it will say so.
func fileSize(path string) uint64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return uint64(info.Size())
}

// pixelSum is a checksum of an image that is in memory.
func pixelSum(ds data.Dataset, i int) uint64 {
	m, err := ds.Image(i)
	if err != nil {
		return 0
	}
	return uint64(crc32.Checksum(m.Pix, castagnoli))
}
