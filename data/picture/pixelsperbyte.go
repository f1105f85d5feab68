package picture

import "fmt"

// room is how many pixels a file may promise: so many for each of its bytes, and some
// that every file may have. A header is a few bytes; decoding takes the memory that it
// asks for.
type room struct{ perByte, free int }

// rooms is the room of each format, by the name that Format gives it. A format that is
// not listed here is not decoded.
var rooms = map[string]room{
	"jpg": {perByte: 8 * 64},   // a block of 64 pixels has at least a bit
	"png": {perByte: 8 * 1032}, // deflate packs at most 1032 bytes into one, and a pixel has at least a bit
	"bmp": {perByte: 8},        // run lengths are not decoded
	"gif": {perByte: 2731},     // LZW: a code of 12 bits stands for at most 4096 pixels
	"pnm": {perByte: 8},        // not compressed
	// One code can stand for any number of equal pixels in these. Real images of that
	// kind are blank, and of moderate size: the largest are pages of a fax, 35 million
	// pixels in 3 kB.
	"webp": {perByte: 8 * 1032, free: 1 << 22},
	"tif":  {perByte: 8 * 1032, free: 1 << 24},
}

// checkRoom returns an error if an image of this size, one that checkSize accepts, is
// more than a file of so many bytes may hold.
func checkRoom(format string, height, width, bytes int) error {
	r, ok := rooms[format]
	if !ok {
		return fmt.Errorf("no limit is known for images of the format %q", format)
	}
	if most := r.free + r.perByte*bytes; height*width > most {
		return fmt.Errorf("%w, or a decompression bomb: %d×%d pixels in %d bytes, of which this format may have %d pixels", errTruncated, height, width, bytes, most)
	}
	return nil
}
