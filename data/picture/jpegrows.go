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

// wholeScan reports whether the header of a scan names each colour of the frame once, in its order.
// After any other scan a decoder goes on, and then it has to be at the end of the scan.
func wholeScan(header, ids []byte) bool {
	if len(header) < 1+2*len(ids) || int(header[0]) != len(ids) {
		return false
	}
	for i, id := range ids {
		if header[1+2*i] != id || bytes.IndexByte(ids[:i], id) >= 0 {
			return false
		}
	}
	return true
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
