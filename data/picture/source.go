package picture

import "fmt"

// Source is an image that a transform starts from. For a JPEG file it reads only the header
// until the part that is needed is known.
type Source struct {
	image       Image
	copied      Image       // memory of SetStandard
	chroma      jpegDecoder // memory of SetStandard for chroma
	content     []byte      // of a JPEG file, if the image is not decoded yet
	header      jpegHeader
	orientation Orientation // by which to turn the decoded content; Upright if not
}

// Set makes an image in memory the source.
func (src *Source) Set(m *Image) { src.image, src.content = *m, nil }

// Open makes an image file the source. It decodes the file, but only the header of a JPEG
// file; then the content must stay until the last [Source.Part]. An error has the name.
func (src *Source) Open(content []byte, how Decoding, name string) (err error) {
	if err := src.Load(content, how); err != nil {
		return fmt.Errorf("data: %s: %w", name, err)
	}
	return nil
}

// Load is Open for a file without a name.
func (src *Source) Load(content []byte, how Decoding) (err error) {
	src.content = nil
	if Format(content) == "jpg" {
		src.content, src.orientation = content, Upright
		if src.header, err = parseJPEG(content); err == nil {
			err = how.checkSize(src.header.height, src.header.width)
		}
		if err != nil {
			return err
		}
		if !how.IgnoreOrientation {
			src.orientation = src.header.orientation
		}
		return nil
	}
	m, err := how.Decode(content)
	if err != nil {
		return err
	}
	src.image = *m
	return nil
}

// Bytes returns the size of a JPEG file that is not decoded yet, or 0.
func (src *Source) Bytes() int { return len(src.content) }

// Size returns the size of the whole upright image.
func (src *Source) Size() (height, width int) {
	if src.content != nil {
		return src.orientation.size(src.header.height, src.header.width)
	}
	return src.image.Height, src.image.Width
}

// Check returns an error unless there is an image, of a size to decode.
func (src *Source) Check() error {
	if src.content != nil {
		return Decoding{}.checkSize(src.header.height, src.header.width)
	}
	return src.image.Check()
}

// Memory is what parts of sources need besides their pixels. It is reused for one image after
// another; a part is valid until the next one.
type Memory struct {
	converted, turned Image
	jpeg              jpegDecoder
}

// withChannels returns img with the given number of channels.
func (s *Memory) withChannels(img *Image, channels int) *Image {
	if img.Channels == channels {
		return img
	}
	Convert(&s.converted, img)
	return &s.converted
}

// Part returns the part of the picture in a box, with the given number of channels. If it is
// at least 4·enough pixels high and wide, it may be made smaller by a power of 2, but not
// below 2·enough. With enough 0 it keeps its size.
func (src *Source) Part(s *Memory, box Box, channels, enough int) (View, error) {
	whole := func(m *Image, b Box) View {
		return View{m, b, 0, 0, float64(b.Height), float64(b.Width)}
	}
	if src.content == nil {
		return whole(s.withChannels(&src.image, channels), box), nil
	}
	// From here on box is in the rows and columns of the file.
	box = src.orientation.box(box, src.header.height, src.header.width)
	by := 1
	if enough > 0 && src.header.fast {
		for by < 8 && min(box.Height, box.Width) >= 4*by*enough {
			by *= 2
		}
	}
	if by == 1 {
		if err := s.jpeg.decode(&s.converted, src.content, src.header, box, channels); err != nil {
			return View{}, fmt.Errorf("data: %w", err)
		}
		return s.upright(whole(&s.converted, s.converted.Bounds()), src.orientation), nil
	}
	// small has the pixels that the box covers, whole or in part.
	f := float64(by)
	small := Box{Top: box.Top / by, Left: box.Left / by}
	small.Height = min((box.Top+box.Height+by-1)/by, (src.header.height+by-1)/by) - small.Top
	small.Width = min((box.Left+box.Width+by-1)/by, (src.header.width+by-1)/by) - small.Left
	if err := s.jpeg.decodeScaled(&s.converted, src.content, src.header, small, channels, by); err != nil {
		return View{}, fmt.Errorf("data: %w", err)
	}
	return s.upright(View{&s.converted, s.converted.Bounds(),
		float64(box.Top)/f - float64(small.Top), float64(box.Left)/f - float64(small.Left),
		float64(box.Height) / f, float64(box.Width) / f}, src.orientation), nil
}

// upright turns a part of an image.
func (s *Memory) upright(v View, o Orientation) View {
	if o <= Upright {
		return v
	}
	v = o.view(v)
	o.turn(&s.turned, v.Image)
	v.Image, v.box = &s.turned, s.turned.Bounds()
	return v
}

// Release lets the image go. It keeps memory of at most most bytes for the next one.
func (src *Source) Release(most int) {
	src.image, src.content = Image{}, nil
	if cap(src.copied.Pix) > most {
		src.copied = Image{}
	}
}
