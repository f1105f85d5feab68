package data

import (
	"sync"

	"fasternet/data/picture"
)

// normaliser maps 8-bit values to (v/255 − mean)/std by table. There are only 256 values,
// and with a table each one is rounded after each of the three float32 operations.
type normaliser struct {
	once   sync.Once
	err    error
	tables [3][256]float32 // by channel
}

// prepare fills the tables at the first call. Later calls return the error of the first
// validate.
func (n *normaliser) prepare(validate func() error, mean, std []float32) error {
	n.once.Do(func() {
		if n.err = validate(); n.err != nil {
			return
		}
		for c := range mean {
			for v := range n.tables[c] {
				n.tables[c][v] = (float32(v)/255 - mean[c]) / std[c]
			}
		}
	})
	return n.err
}

// normalise writes the values of m to dst, which has the same length.
func (n *normaliser) normalise(dst []float32, m *picture.Image) {
	if m.Channels == 1 {
		table := &n.tables[0]
		for i, v := range m.Pix {
			dst[i] = table[v]
		}
		return
	}
	r, g, b := &n.tables[0], &n.tables[1], &n.tables[2]
	for i := 0; i+3 <= len(m.Pix); i += 3 {
		p, q := m.Pix[i:i+3:i+3], dst[i:i+3:i+3]
		q[0], q[1], q[2] = r[p[0]], g[p[1]], b[p[2]]
	}
}
