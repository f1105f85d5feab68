package picture

import "bytes"

// decodedRows returns how many rows of the file to decode for a part of the image, made
// smaller by this factor. If one scan has all pixels, the rows after the part are not needed.
func (h *jpegHeader) decodedRows(box Box, by int) int {
	if !h.fast || h.rows == 0 {
		return h.height
	}
	const around = 2 // pixels of the next row of chroma
	return min(h.height, (box.Top+box.Height+around)*by)
}

// wholeScan reports whether the header of a scan names each colour of the frame once, in
// order. After any other scan a decoder continues, so it must read the scan to its end.
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

// upperRows reads a JPEG file with a smaller height, so that a decoder makes only the upper rows.
type upperRows struct {
	file   bytes.Reader
	at     int64 // where the height is
	height [2]byte
}

func newUpperRows(content []byte, h jpegHeader, height int) *upperRows {
	return &upperRows{*bytes.NewReader(content), int64(h.rows), [2]byte{byte(height >> 8), byte(height)}}
}

// Len returns how many bytes are left. The library asks for it, to read with one buffer.
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
