package data

import (
	"fmt"
	"math/rand/v2"

	"fasternet/data/picture"
)

// MixMode says for how many samples [Mixup] draws at a time.
type MixMode string

// The modes of mixing.
const (
	MixBatch MixMode = "batch" // one draw for the batch
	MixPair  MixMode = "pair"  // one draw for a sample and its partner
	MixElem  MixMode = "elem"  // one draw for each sample; its partner is used as it was before mixing
)

// mix draws, mixes the batch in place and returns the draws: one, or one for each sample.
// first is the number of pairs of the whole batch that come before these images: their
// draws are made and thrown away.
func (m *Mixup) mix(images []float32, b, h, w, c, first int, r *rand.Rand) ([]mixing, error) {
	switch m.Mode {
	case "", MixBatch:
		d := m.draw(h, w, r)
		if d.cut {
			swapPartners(images, b, h, w, c, d.box)
		} else {
			blendPartners(images, b, d.lambda)
		}
		return []mixing{d}, nil
	case MixPair, MixElem:
	default:
		return nil, fmt.Errorf("data: unknown Mixup.Mode %q", string(m.Mode))
	}
	draws := make([]mixing, b)
	size, row := h*w*c, make([]float32, w*c)
	for range first {
		m.draw(h, w, r)
		if m.Mode == MixElem {
			m.draw(h, w, r)
		}
	}
	for i := range b / 2 {
		j := b - 1 - i
		x, y := images[i*size:][:size], images[j*size:][:size]
		d := m.draw(h, w, r)
		e := d
		if m.Mode == MixElem {
			e = m.draw(h, w, r)
		}
		draws[i], draws[j] = d, e
		for k := range h {
			p, q := x[k*w*c:][:w*c], y[k*w*c:][:w*c]
			copy(row, p)
			d.mixRow(p, q, k, c)
			e.mixRow(q, row, k, c)
		}
	}
	return draws, nil
}

// mixRow mixes row y of the partner into row y of a sample. A pixel has c channels.
func (d *mixing) mixRow(own, partner []float32, y, c int) {
	switch {
	case d.lambda == 1:
	case !d.cut:
		blend(own, partner, d.lambda)
	case y >= d.box.Top && y < d.box.Top+d.box.Height:
		from, to := d.box.Left*c, (d.box.Left+d.box.Width)*c
		copy(own[from:to], partner[from:to])
	}
}

// blend sets x to λ·x + (1−λ)·y. It rounds the products to float32 on every platform, even
// if the compiler could fuse them into the sum.
func blend(x, y []float32, lambda float64) {
	own, other := float32(lambda), float32(1-lambda)
	for k, v := range x {
		x[k] = float32(own*v) + float32(other*y[k])
	}
}

// blendPartners sets each sample to λ of itself plus 1−λ of its partner, rounded as blend
// rounds.
func blendPartners(images []float32, b int, lambda float64) {
	if lambda == 1 {
		return
	}
	own, other := float32(lambda), float32(1-lambda)
	size := len(images) / b
	for i := range b / 2 {
		x := images[i*size:][:size]
		y := images[(b-1-i)*size:][:size]
		for k, v := range x {
			u := y[k]
			x[k] = float32(own*v) + float32(other*u)
			y[k] = float32(own*u) + float32(other*v)
		}
	}
}

// swapPartners exchanges the box of each sample with its partner's.
func swapPartners(images []float32, b, h, w, c int, box picture.Box) {
	for i := range b / 2 {
		for y := box.Top; y < box.Top+box.Height; y++ {
			p := images[((i*h+y)*w+box.Left)*c:][:box.Width*c]
			q := images[(((b-1-i)*h+y)*w+box.Left)*c:][:box.Width*c]
			for k := range p {
				p[k], q[k] = q[k], p[k]
			}
		}
	}
}
