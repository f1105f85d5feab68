package picture

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/gif"
	"io"
	"math"
)

// decodeGIF decodes the first frame of a GIF file as Pillow does: the image has the size of
// the screen that the file describes, and a transparent pixel has its colour in the palette.
// Pixels outside of the frame get the transparent colour too, or else the first colour.
func (how Decoding) decodeGIF(content []byte) (*Image, error) {
	cfg, err := gif.DecodeConfig(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	start, outside := opaqueGIF(content)
	if len(start) > 9 { // opaqueGIF may have made the screen larger
		cfg.Width = int(binary.LittleEndian.Uint16(start[6:]))
		cfg.Height = int(binary.LittleEndian.Uint16(start[8:]))
	}
	if err := how.checkPromise("gif", cfg, content); err != nil {
		return nil, err
	}
	src, err := safely(func() (image.Image, error) {
		return gif.Decode(io.MultiReader(bytes.NewReader(start), bytes.NewReader(content[len(start):])))
	})
	if err != nil {
		return nil, err
	}
	frame := src.(*image.Paletted)
	screen := image.Rect(0, 0, cfg.Width, cfg.Height)
	if frame.Rect == screen {
		return fromStandard(frame, Decoding{}), nil
	}
	whole := image.NewPaletted(screen, frame.Palette)
	for i := range whole.Pix {
		whole.Pix[i] = outside
	}
	for y := frame.Rect.Min.Y; y < frame.Rect.Max.Y; y++ {
		from := frame.PixOffset(frame.Rect.Min.X, y)
		copy(whole.Pix[whole.PixOffset(frame.Rect.Min.X, y):], frame.Pix[from:from+frame.Rect.Dx()])
	}
	return fromStandard(whole, Decoding{}), nil
}

// opaqueGIF copies a GIF file up to its first frame. It makes the screen large enough for the
// frame, and removes the mark of a transparent colour, which the standard library would make
// black. index is the colour that was marked, or 0. The decoder judges blocks that this
// function does not understand.
func opaqueGIF(content []byte) (start []byte, index uint8) {
	const header = 13
	if len(content) < header {
		return nil, 0
	}
	at := header
	if flags := content[10]; flags&0x80 != 0 { // a palette for all frames
		at += 3 << (flags&7 + 1)
	}
	type mark struct{ at, index int }
	var marks []mark
	for at+2 < len(content) && content[at] == 0x21 { // an extension
		if content[at+1] == 0xf9 && at+6 < len(content) && content[at+2] == 4 && content[at+3]&1 != 0 {
			marks = append(marks, mark{at + 3, int(content[at+6])})
		}
		at += 2
		for at < len(content) && content[at] != 0 { // its blocks
			at += 1 + int(content[at])
		}
		at++
	}
	start = bytes.Clone(content[:min(at, len(content))])
	if at+9 <= len(content) && content[at] == 0x2c { // the frame: enlarge a screen that is too small
		for i := range 2 {
			screen, frame := start[6+2*i:], content[at+1+2*i:]
			end := int(binary.LittleEndian.Uint16(frame)) + int(binary.LittleEndian.Uint16(frame[4:]))
			if end > int(binary.LittleEndian.Uint16(screen)) && end <= math.MaxUint16 {
				binary.LittleEndian.PutUint16(screen, uint16(end))
			}
		}
	}
	for _, m := range marks {
		start[m.at] &^= 1
		index = uint8(m.index)
	}
	return start, index
}
