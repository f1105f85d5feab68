package masking

import (
	"fasternet/data"
	"fasternet/internal/rng"
)

func (p *Pyramid) allocate(b *Batch, size int) {
	b.keep, b.mask = make([]int32, size*p.Kept()), make([]float32, size*p.units.Size())
}

func (p *Pyramid) sample(b *Batch, at data.Position) error {
	if p.PerSample {
		p.draw(b, at.Place, at.Seed, at.Epoch, at.Index)
	}
	return nil
}

// draw makes the mask of an image and all that follows from it.
func (p *Pyramid) draw(b *Batch, place int, seed uint64, epoch, index int) {
	units := p.units.Size()
	p.Mask(b.mask[place*units:][:units], rng.New(seed, rng.Mask, uint64(epoch), uint64(index)).Perm(units))
	p.lay(b, place)
}

// lay writes the indices and weights of the mask of an image.
func (p *Pyramid) lay(b *Batch, place int) {
	mask := b.mask[place*p.units.Size():][:p.units.Size()]
	keep := b.keep[place*p.Kept():][:0]
	raster := p.rasters[p.Unit]
	for i, v := range p.visibleTokens(mask, p.Unit) {
		if v == 1 {
			keep = append(keep, raster[i])
		}
	}
	for k, s := range p.Taps {
		side := p.outSide(s)
		n := p.ScaleGrid(k).Size()
		weights, visible := b.weights[k][place*n:][:n], p.visibleTokens(mask, side)
		for i, at := range p.rasters[side] {
			weights[at] = 1 - visible[i]
		}
	}
}

func (p *Pyramid) complete(b *Batch, at data.Position) error {
	if p.PerSample {
		return nil
	}
	p.draw(b, 0, at.Seed, at.Epoch, at.Step)
	for i := 1; i < at.Size; i++ {
		repeat(b.mask, i, p.units.Size())
		repeat(b.keep, i, p.Kept())
		for k := range p.Taps {
			repeat(b.weights[k], i, p.ScaleGrid(k).Size())
		}
	}
	return nil
}

// repeat copies the part of the first image, n values, to that of image i.
func repeat[T any](x []T, i, n int) { copy(x[i*n:(i+1)*n], x[:n]) }
