package picture

import "fmt"

// room says how many pixels a file may promise: perByte for each of its bytes, plus free. A
// header has only a few bytes, but decoding allocates the memory that it asks for.
type room struct{ perByte, free int }

// rooms has the room of each format, by the name that Format returns. Other formats are not
// decoded.
var rooms = map[string]room{
	"jpg": {perByte: 8 * 64},   // a block of 64 pixels takes at least a bit
	"png": {perByte: 8 * 1032}, // deflate packs at most 1032 bytes into one, and a pixel takes at least a bit
	"bmp": {perByte: 8},        // run lengths are not decoded
	"gif": {perByte: 2731},     // LZW: a code of 12 bits stands for at most 4096 pixels
	"pnm": {perByte: 8},        // not compressed
	// In these formats one code can stand for any number of equal pixels. Real images of this
	// kind are blank and of moderate size: the largest are pages of a fax, 35 million pixels
	// in 3 kB.
	"webp": {perByte: 8 * 1032, free: 1 << 22},
	"tif":  {perByte: 8 * 1032, free: 1 << 24},
}

// checkRoom returns an error if an image of this size, which has passed checkSize, needs more
// bytes than the file has.
func checkRoom(format string, height, width, bytes int) error {
	r, ok := rooms[format]
	if !ok {
		return fmt.Errorf("no limit is known for images of the format %q", format)
	}
	if most := r.free + r.perByte*bytes; height*width > most {
		return fmt.Errorf("%w, or a decompression bomb: "+
			"%d×%d pixels in %d bytes, which hold at most %d in this format",
			errTruncated, height, width, bytes, most)
	}
	return nil
}
