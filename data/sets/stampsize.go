package sets

import (
	"hash/crc32"
	"os"

	"fasternet/data"
)

// fileStamp returns the size of a file and the time of its last change in nanoseconds since 1970; 0 if it does
// not exist.
func fileStamp(path string) (size uint64, changed int64) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, 0
	}
	return uint64(info.Size()), info.ModTime().UnixNano()
}

// fileSize returns the size of a file, or 0 if it does not exist: reading it will report this.
func fileSize(path string) uint64 {
	size, _ := fileStamp(path)
	return size
}

// pixelSum returns a checksum of an image in memory.
func pixelSum(ds data.Dataset, i int) uint64 {
	m, err := ds.Image(i)
	if err != nil {
		return 0
	}
	return uint64(crc32.Checksum(m.Pix, castagnoli))
}
