package cases

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/image/tiff"
)

// deep is a grey image of 16 bits.
func deep(base, seed int) *image.Gray16 {
	r := rand.New(rand.NewPCG(uint64(base), uint64(seed)))
	m := image.NewGray16(image.Rect(0, 0, 40, 40))
	for y := range 40 {
		for x := range 40 {
			m.SetGray16(x, y, color.Gray16{uint16(base + r.IntN(30000))})
		}
	}
	return m
}

// pytorch/vision#2218, python-pillow/Pillow#3011, unslothai/unsloth#10094: every pixel of grey images of
// 16 bits became 255, without a message.
func TestSixteenBits(t *testing.T) {
	f := newFolder(t)
	for c, class := range []string{"benign", "malign"} {
		for i := range 12 {
			part := "train"
			if i >= 8 {
				part = "val"
			}
			f.write(fmt.Sprintf("base/%s/%s/%d.png", part, class, i), pngBytes(t, deep(5000+30000*c, i)))
			f.write(fmt.Sprintf("dark/%s/%s/%d.png", part, class, i), pngBytes(t, shallow(deep(5000+30000*c, i))))
		}
	}
	info := f.run("data", "info", "base").exits(0).
		says("16 of 16 images looked at are grey with more than 8 bits; their values are scaled to 8 bits").
		hides("warning")
	if strings.Contains(info.stdout, "std: [0.0") {
		t.Errorf("the pixels are all alike:\n%s", info.stdout)
	}
	f.run("data", "info", "base", "--set", "data.sixteen_bit=clip").exits(0).
		says("warning", "their values above 255 become 255", "the pixels of the training images hardly differ")
	f.run("data", "verify", "base").exits(0).hides("more than 8 bits")
	f.run("data", "verify", "base", "--set", "data.sixteen_bit=clip").exits(1).
		says("note: training: 16 of 16 images", "become 255", "the same image")
	f.run("data", "info", "dark").exits(0).says("warning", "16 levels of grey are left")

	f.config("t.yaml", tinyFasterNet)
	top1 := f.run("train", "t.yaml", "--set", "train.epochs=12", "--set", "optim.lr=1e-2",
		"--run", "run").exits(0).json()["top1"].(float64)
	if top1 < 90 {
		t.Errorf("%v %% on images that differ in brightness", top1)
	}
	f.run("train", "t.yaml", "--set", "data.sixteen_bit=clip", "--run", "clipped").exits(0).
		says("note: 16 of 16 images", "become 255")
}

// shallow uses 12 of 16 bits.
func shallow(m *image.Gray16) *image.Gray16 {
	for i := 0; i < len(m.Pix); i += 2 {
		binary.BigEndian.PutUint16(m.Pix[i:], binary.BigEndian.Uint16(m.Pix[i:])>>4)
	}
	return m
}

// ring draws a photograph of 160×120 with a ring in the colour of its class.
func ring(c, seed int) *image.RGBA {
	r := rand.New(rand.NewPCG(uint64(c), uint64(seed)))
	colour := []color.RGBA{{220, 30, 30, 255}, {30, 30, 220, 255}}[c]
	off := float64(r.IntN(7) - 3)
	m := image.NewRGBA(image.Rect(0, 0, 160, 120))
	for y := range 120 {
		for x := range 160 {
			q := math.Pow((float64(x)-80-off)/65, 2) + math.Pow((float64(y)-60-off)/55, 2)
			v := colour
			if q <= 0.55 || q >= 1 {
				v = color.RGBA{uint8(90 + r.IntN(61)), uint8(90 + r.IntN(61)), uint8(90 + r.IntN(61)), 255}
			}
			m.SetRGBA(x, y, v)
		}
	}
	return m
}

// The rule of DeiT and Swin for CIFAR, applied to photographs, cut a window of 32×32 out of images of any
// size (like ultralytics/ultralytics#7069).
func TestPhotographsAtASmallSize(t *testing.T) {
	f := newFolder(t)
	for c, class := range []string{"blue", "red"} {
		for i := range 30 {
			part := "train"
			if i >= 20 {
				part = "val"
			}
			f.write(fmt.Sprintf("base/%s/%s/%d.png", part, class, i), pngBytes(t, ring(1-c, i)))
		}
	}
	f.config("t.yaml", tinyFasterNet)
	for _, size := range []string{"32", "36"} {
		o := f.run("train", "t.yaml", "--set", "data.image_size="+size, "--set", "train.epochs=10",
			"--set", "optim.lr=1e-2", "--run", "run"+size)
		if top1 := o.exits(0).json()["top1"].(float64); top1 < 90 {
			t.Errorf("%v %% at %s px", top1, size)
		}
	}
}

// Data sets of faxes and scans (RVL-CDIP) have TIFF files of group 4 in which zero is black: they were inverted.
func TestFaxesHaveBothPolarities(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog"}, 8, 4)
	f.config("t.yaml", tinyFasterNet)
	f.run("train", "t.yaml", "--run", "run").exits(0)
	page := image.NewGray(image.Rect(0, 0, 16, 8))
	for i := range page.Pix {
		page.Pix[i] = 255
		if x := i % 16; x >= 6 && x < 12 {
			page.Pix[i] = 0
		}
	}
	f.write("ref.png", pngBytes(t, page))
	var plain bytes.Buffer
	if err := tiff.Encode(&plain, page, nil); err != nil {
		t.Fatal(err)
	}
	f.write("plain.tif", plain.Bytes())
	f.write("white-is-zero.tif", fax(0))
	f.write("black-is-zero.tif", fax(1))
	f.run("predict", "ref.png", "plain.tif", "white-is-zero.tif", "black-is-zero.tif", "--model", "run",
		"--format", "csv", "--out", "p.csv").exits(0)
	rows := strings.Split(strings.TrimSpace(string(f.read("p.csv"))), "\n")[1:]
	of := map[string]string{}
	for _, row := range rows {
		file, rest, _ := strings.Cut(row, ",")
		of[file] += rest + "\n"
	}
	for file, got := range of {
		if got != of["ref.png"] || len(of) != 4 {
			t.Errorf("%s of %d files: %q, want %q", file, len(of), got, of["ref.png"])
		}
	}
}

// fax returns the image of [TestFaxesHaveBothPolarities] in group 4: rows of 6 white, 6 black and 4 white
// pixels. If 0 is black, the code calls black pixels white.
func fax(photometric uint16) []byte {
	// The first row: horizontal mode (001), white 6 (1110), black 6 (0010); then vertical
	// 0 (1) to the end of the row. All others: vertical 0 at each change.
	bits := "001" + "1110" + "0010" + "1" + strings.Repeat("111", 7)
	if photometric == 1 {
		// Twice horizontal mode: white 0 (00110101), black 6; white 6, black 4 (011).
		bits = "001" + "00110101" + "0010" + "001" + "1110" + "011" + strings.Repeat("1111", 7)
	}
	var strip []byte
	for len(bits)%8 != 0 {
		bits += "0"
	}
	for i := 0; i < len(bits); i += 8 {
		var b byte
		fmt.Sscanf(bits[i:i+8], "%b", &b)
		strip = append(strip, b)
	}
	tags := [][2]uint32{
		{256, 16},
		{257, 8},
		{258, 1},
		{259, 4},
		{262, uint32(photometric)},
		{273, 0},
		{278, 8},
		{279, uint32(len(strip))},
	}
	var b bytes.Buffer
	put := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) }
	b.WriteString("II\x2a\x00")
	put(uint32(8))
	put(uint16(len(tags)))
	end := uint32(8 + 2 + 12*len(tags) + 4)
	for _, tag := range tags {
		if tag[0] == 273 {
			tag[1] = end
		}
		put(uint16(tag[0]))
		put(uint16(4))
		put(uint32(1))
		put(tag[1])
	}
	put(uint32(0))
	b.Write(strip)
	return b.Bytes()
}

// For users of libffcv/ffcv and webdataset, a cache must hold the same as the folder. PNG files that
// needed no resizing became JPEG without a message.
func TestPackKeepsFiles(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog"}, 4, 2)
	large := image.NewNRGBA(image.Rect(0, 0, 500, 400))
	for i := range large.Pix {
		large.Pix[i] = uint8(i * i >> 5)
	}
	f.write("base/val/cat/large.png", pngBytes(t, large))
	var photo bytes.Buffer
	if err := jpeg.Encode(&photo, large, nil); err != nil {
		t.Fatal(err)
	}
	f.write("base/val/dog/large.jpg", photo.Bytes())

	o := f.run("data", "pack", "base", "--out", "packed").exits(0).says(
		"training: of 8 images 8 kept as they are",
		"validation: of 6 images 4 kept as they are, 1 written as PNG, without loss, "+
			"1 shrunk as JPEG of quality 95, which is lossy")
	val := o.json()["val"].(map[string]any)
	if val["kept"] != 4. || val["lossless"] != 1. || val["lossy"] != 1. {
		t.Errorf("%v", val)
	}
	pack := f.read("packed/train.pack")
	for i := range 4 {
		if !bytes.Contains(pack, f.read(fmt.Sprintf("base/train/cat/%03d.png", i))) {
			t.Errorf("image %d is not what it was", i)
		}
	}
	if n := bytes.Count(f.read("packed/val.pack"), []byte("\xff\xd8\xff")); n != 1 {
		t.Errorf("%d JPEG files", n)
	}
	f.run("data", "pack", "base", "--out", "lossy", "--lossy", "--quality", "70").exits(0).
		says("2 shrunk as JPEG of quality 70")
}

// ultralytics/ultralytics#4310, GaParmar/clean-fid#39: .jfif from browsers, .ppm of GTSRB, GIF and files
// without an ending were left out without a message.
func TestMoreEndings(t *testing.T) {
	f := newFolder(t)
	f.imageFolders("base", []string{"cat", "dog"}, 4, 4)
	var photo bytes.Buffer
	if err := jpeg.Encode(&photo, noise(40, 36, 0, 1), nil); err != nil {
		t.Fatal(err)
	}
	f.write("base/train/cat/a.jfif", photo.Bytes())
	f.write("base/train/cat/b.JPE", photo.Bytes())
	f.write("base/train/cat/c", photo.Bytes())
	f.write("base/train/cat/img.0007", photo.Bytes())
	f.write("base/train/dog/d.ppm", append([]byte("P6 2 2 255\n"), make([]byte, 12)...))
	f.write("base/train/dog/e.pgm", []byte("P2 2 2 9\n0 3 6 9"))
	f.write("base/train/dog/README", []byte("about dogs"))
	f.write("base/train/dog/f.avif", []byte("\x00\x00\x00\x20ftypavif"))
	f.write("base/train/dog/g.heic", []byte("\x00\x00\x00\x20ftypheic"))
	f.run("data", "info", "base").exits(0).
		says("training: 14 images in 2 classes", ".avif 1", ".heic 1", "none 1",
			"(the 2 files .avif, .heic are images in formats that are not supported; convert them")
	f.run("data", "verify", "base").exits(0).json()

	// A file with a wrong ending is named by its real format.
	f.write("base/train/dog/h.jpg", []byte("\x00\x00\x00\x20ftypheic\x00\x00\x00\x00"))
	f.run("data", "verify", "base").exits(1).
		says("h.jpg: a HEIC image, which is not supported; convert it to PNG or JPEG first")
	f.config("t.yaml", tinyFasterNet)
	f.run("train", "t.yaml", "--run", "run").exits(1).says("h.jpg: a HEIC image")
}

// turnedPhoto returns a JPEG file that is upright only with its EXIF orientation.
func turnedPhoto(t *testing.T, m image.Image, orientation byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 98}); err != nil {
		t.Fatal(err)
	}
	exif := "\xff\xe1\x00\x22Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00" +
		string([]byte{orientation}) + "\x00\x00\x00\x00\x00\x00"
	return []byte(string(b.Bytes()[:2]) + exif + string(b.Bytes()[2:]))
}

// half returns an image that is white on one side.
func half(left bool) *image.Gray {
	m := image.NewGray(image.Rect(0, 0, 48, 40))
	for i := range m.Pix {
		if x := i % 48; (x < 24) == left {
			m.Pix[i] = 255
		}
	}
	return m
}

// Photographs of telephones lie on their side unless their EXIF orientation counts (cameras write it;
// timm and torchvision ignore it by default).
func TestOrientation(t *testing.T) {
	f := newFolder(t)
	for c, class := range []string{"left", "right"} {
		for i := range 12 {
			part := "train"
			if i >= 8 {
				part = "val"
			}
			// The image is upside down, and its orientation says so: without it, the classes change places.
			content := turnedPhoto(t, half(c == 0), 1)
			if part == "val" {
				content = turnedPhoto(t, half(c == 1), 3)
			}
			f.write(fmt.Sprintf("base/%s/%s/%d.jpg", part, class, i), content)
		}
	}
	f.config("t.yaml", tinyViT)
	f.run("train", "t.yaml", "--run", "run", "--set", "train.epochs=12", "--set", "optim.lr=5e-3",
		"--set", "augment.hflip=0", "--set", "augment.scale=[1,1]").exits(0)
	const ignore = "data.orientation=ignore"
	if top1 := f.run("eval", "--model", "run").exits(0).json()["top1"]; top1 != 100. {
		t.Errorf("%v %% of upright images", top1)
	}
	if top1 := f.run("eval", "--model", "run", "--set", ignore).exits(0).json()["top1"]; top1 != 0. {
		t.Errorf("%v %% of images upside down", top1)
	}
	f.run("train", "t.yaml", "--run", "other", "--set", ignore, "--set", "data.train=val",
		"--set", "train.batch_size=4").exits(0).
		says("note: 8 of 8 images", "which is ignored")
	f.run("data", "info", "base").exits(0).
		says("validation: 8 of 8 images looked at have an EXIF orientation other than upright, " +
			"by which they are turned").
		hides("training: 8 of")
	f.run("data", "info", "base", "--set", "data.orientation=ignore").exits(0).
		says("validation: warning: 8 of 8 images", "which is ignored")

	// The other commands follow the model's configuration, and so do exports and packs.
	f.run("export", "--model", "run", "--out", "turned.safetensors").exits(0)
	f.run("export", "--model", "run", "--out", "ignored.onnx", "--set", ignore).exits(0)
	f.run("data", "pack", "base", "--out", "packed").exits(0)
	f.run("data", "pack", "base", "--out", "pixels", "--form", "decoded", "--set", ignore).exits(0)
	for _, c := range []struct{ model, want string }{
		{"run", "left"},
		{"turned.safetensors", "left"},
		{"ignored.onnx", "right"},
	} {
		o := f.run("predict", "base/val/left/8.jpg", "--model", c.model, "--topk", "1", "--format", "jsonl").exits(0)
		if !strings.Contains(o.stdout, `"`+c.want+`"`) {
			t.Errorf("%s does not say %s: %s", c.model, c.want, o.stdout)
		}
		for _, dir := range []string{"packed", "pixels"} {
			top1 := map[string]float64{"left": 100, "right": 0}[c.want]
			got := f.run("eval", "--model", c.model, "--data", dir, "--set", "data.name=packed").exits(0).json()["top1"]
			if got != top1 {
				t.Errorf("%s of %s: %v %%, want %v", c.model, dir, got, top1)
			}
		}
	}
}

// On scans of paper, eval and the export of a model at 384 px disagreed: the export had crop_ratio 0.9,
// but eval squashed the whole image.
func TestExportSaysWhatEvalDoes(t *testing.T) {
	f := newFolder(t)
	// The classes differ only at the edge.
	for c, class := range []string{"dark", "light"} {
		for i := range 6 {
			m := image.NewGray(image.Rect(0, 0, 200, 100))
			for k := range m.Pix {
				m.Pix[k] = 128
				if x := k % 200; x < 40 || x >= 160 {
					m.Pix[k] = uint8(c * 255)
				}
			}
			part := "train"
			if i >= 4 {
				part = "val"
			}
			f.write(fmt.Sprintf("base/%s/%s/%d.png", part, class, i), pngBytes(t, m))
		}
	}
	f.config("t.yaml", tinyFasterNet)
	f.run("train", "t.yaml", "--set", "data.image_size=64", "--set", "data.test_crop=squash",
		"--set", "augment.scale=[1,1]", "--set", "augment.ratio=[2,2]",
		"--set", "train.batch_size=4", "--set", "train.epochs=20", "--set", "optim.lr=1e-2", "--run", "run").exits(0)
	eval := func(args ...string) map[string]any {
		return f.run(append([]string{"eval", "--model", "run"}, args...)...).exits(0).json()
	}
	whole, centre := eval("--size", "384"), eval("--size", "384", "--crop-ratio", "1")
	if whole["loss"] == centre["loss"] {
		t.Errorf("--crop-ratio changes nothing at 384 px: %v", whole)
	}
	f.run("eval", "--model", "run", "--set", "data.test_crop=auto", "--size", "384").exits(0).
		says("each image: whole image squashed to 384×384 px (bicubic)")
	f.run("eval", "--model", "run", "--crop-ratio", "0.8").exits(0).
		says("each image: shorter side to 80 px (bicubic), centre of 64 px")
	f.run("eval", "--model", "run", "--crop-ratio", "0").exits(2).says("data.test_crop_ratio")
	f.run("eval", "--model", "run", "--set", "data.test_crop=squash", "--set", "data.test_crop_ratio=0.9").exits(2).
		says("has no effect with data.test_crop squash")

	for _, file := range []string{"m.safetensors", "m.onnx"} {
		for _, c := range []struct {
			args, want []string
		}{
			{[]string{"--set", "data.test_crop=auto", "--size", "384"}, []string{"crop_mode", "squash"}},
			{
				[]string{"--set", "data.test_crop_ratio=0.8", "--size", "384"},
				[]string{"crop_mode", "center", "crop_ratio", "0.8"},
			},
		} {
			f.run(append([]string{"export", "--model", "run", "--out", file}, c.args...)...).exits(0)
			content := string(f.read(file))
			for _, w := range c.want {
				if !strings.Contains(content, w) {
					t.Errorf("%s %v: no %q in the metadata", file, c.args, w)
				}
			}
			// The exported model is evaluated with its own settings.
			a := f.run("eval", "--model", file).exits(0).json()
			b := eval(c.args...)
			if math.Abs(a["loss"].(float64)-b["loss"].(float64)) > 1e-4 {
				t.Errorf("%s %v: loss %v, the run's %v", file, c.args, a["loss"], b["loss"])
			}
		}
	}
}
