package picture

import "bytes"

// decodedRows is how many rows of the file are decoded for a part of the image made smaller by the
// given factor. Of a file with all pixels in one scan, what follows the part need not be.
func (h *jpegHeader) decodedRows(box Box, by int) int {
	if !h.fast || h.rows == 0 {
		return h.height
	}
	const around = 2 // the next row of chroma, which covers two pixels
	return min(h.height, (box.Top+box.Height+around)*by)
}

// upperRows reads a JPEG file as one of a smaller height, so that a decoder makes only its upper rows.
type upperRows struct {
	file   bytes.Reader
	at     int64 // where the height is
	height [2]byte
}

func newUpperRows(content []byte, h jpegHeader, height int) *upperRows {
	return &upperRows{*bytes.NewReader(content), int64(h.rows), [2]byte{byte(height >> 8), byte(height)}}
}

// Len is how many bytes are left: with it the library needs one buffer.
func (r *upperRows) Len() int { return r.file.Len() }

func (r *upperRows) Read(p []byte) (int, error) {
	from := r.file.Size() - int64(r.file.Len())
	n, err := r.file.Read(p)
	for i, v := range r.height {
		if k := r.at + int64(i) - from; k >= 0 && k < int64(n) {
			p[k] = v
		}
	}
	return n, err
}
