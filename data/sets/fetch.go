package sets

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// FetchOptions says where [FetchFashionMNIST] looks. The zero value is the usual choice.
type FetchOptions struct {
	// Folders are tried before the network; nil means the folder of the Debian package.
	Folders []string

	// Mirrors are base URLs, tried in order; nil means the public ones.
	Mirrors []string

	// Progress, if set, is called as the bytes of a file arrive. The total is -1 if the
	// server does not tell it.
	Progress func(name string, done, total int64)
}

// fashionMNISTMirrors are the two that the authors of the dataset name.
var fashionMNISTMirrors = []string{
	"http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
	"https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
}

// publishedFile is a file with the size and SHA-256 of its content before compression: a copy
// that was compressed again still has the same content.
type publishedFile struct {
	name   string // without .gz
	size   int64
	sha256 string
}

var fashionMNISTFiles = []publishedFile{
	{"train-images-idx3-ubyte", 47040016, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"},
	{"train-labels-idx1-ubyte", 60008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"},
	{"t10k-images-idx3-ubyte", 7840016, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"},
	{"t10k-labels-idx1-ubyte", 10008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"},
}

// FetchFashionMNIST puts the four files of Fashion-MNIST into dir, or into [FashionMNISTCache]
// if dir is "". It keeps files that are there and right. It checks each file against its
// published content; a file appears only when it is complete.
func FetchFashionMNIST(ctx context.Context, dir string, opt FetchOptions) error {
	if dir == "" {
		var err error
		if dir, err = FashionMNISTCache(); err != nil {
			return err
		}
	}
	if opt.Folders == nil {
		opt.Folders = []string{debianFashionMNIST}
	}
	if opt.Mirrors == nil {
		opt.Mirrors = fashionMNISTMirrors
	}
	return fetcher{opt, time.Minute, http.DefaultClient}.fetch(ctx, dir, fashionMNISTFiles)
}

// fetcher gets published files from folders and mirrors.
type fetcher struct {
	FetchOptions
	patience time.Duration // how long to wait for a mirror that sends nothing
	client   *http.Client
}

func (f fetcher) fetch(ctx context.Context, dir string, files []publishedFile) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	for _, file := range files {
		if path, err := findIDX(dir, file.name); err == nil && file.verify(path) == nil {
			continue
		}
		if err := f.fetchFile(ctx, dir, file); err != nil {
			return err
		}
	}
	return nil
}

// source is a place that may have a file.
type source struct {
	name string
	read func(ctx context.Context, w io.Writer) error
}

func (f fetcher) sources(file publishedFile) []source {
	var list []source
	for _, folder := range f.Folders {
		if path, err := findIDX(folder, file.name); err == nil {
			list = append(list, source{path, func(ctx context.Context, w io.Writer) error {
				return f.copyFile(ctx, w, path, file)
			}})
		}
	}
	for _, mirror := range f.Mirrors {
		url := strings.TrimSuffix(mirror, "/") + "/" + file.name + ".gz"
		list = append(list, source{url, func(ctx context.Context, w io.Writer) error {
			return f.download(ctx, w, url, file)
		}})
	}
	return list
}

// fetchFile tries the sources in order until one has the right content.
func (f fetcher) fetchFile(ctx context.Context, dir string, file publishedFile) error {
	var tried []error
	for _, s := range f.sources(file) {
		err := store(dir, file, func(w io.Writer) error { return s.read(ctx, w) })
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("data: fetching %s: %w", s.name, context.Cause(ctx))
		}
		tried = append(tried, fmt.Errorf("%s: %w", s.name, err))
	}
	return fmt.Errorf("data: could not fetch %s:\n%w\nwithout a network, apt-get install dataset-fashion-mnist "+
		"or copy the four files of Fashion-MNIST into %s", file.name, errors.Join(tried...), dir)
}

// store writes the file under a temporary name, verifies it and then renames it. So no
// half-written or wrong file ever has the final name.
func store(dir string, file publishedFile, write func(io.Writer) error) error {
	tmp, err := os.CreateTemp(dir, "."+file.name+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	if err := write(tmp); err != nil {
		return err
	}
	if err := file.verify(tmp.Name()); err != nil {
		return err
	}
	if err := tmp.Chmod(0o644); err != nil {
		return err
	}
	if err := tmp.Sync(); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), filepath.Join(dir, file.name+".gz"))
}

// verify returns an error unless the file at path has the published content. It decompresses
// the file if necessary.
func (p publishedFile) verify(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	r, err := gunzipped(file)
	if err != nil {
		return err
	}
	sum := sha256.New()
	n, err := io.Copy(sum, io.LimitReader(r, p.size+1))
	if err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); n != p.size || got != p.sha256 {
		return fmt.Errorf("the content is not the published one: "+
			"SHA-256 of the decompressed content is %s, expected %s", got, p.sha256)
	}
	return nil
}

func (f fetcher) copyFile(ctx context.Context, w io.Writer, path string, file publishedFile) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	return f.transfer(ctx, w, in, file, info.Size(), func() {})
}

func (f fetcher) download(ctx context.Context, w io.Writer, url string, file publishedFile) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(f.patience, func() {
		cancel(fmt.Errorf("no data for %v", f.patience))
	})
	defer stalled.Stop()

	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return causeOr(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answers %s", resp.Status)
	}
	err = f.transfer(ctx, w, resp.Body, file, resp.ContentLength, func() { stalled.Reset(f.patience) })
	return causeOr(ctx, err)
}

// causeOr returns err, or the reason why ctx ended if err came from this.
func causeOr(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// transfer copies a file from r to w, reports the progress and calls arrived after each part.
func (f fetcher) transfer(
	ctx context.Context,
	w io.Writer,
	r io.Reader,
	file publishedFile,
	total int64,
	arrived func(),
) error {
	// gzip makes even incompressible content larger by less than this.
	limit := file.size + file.size/100 + 1024
	part := make([]byte, 1<<16)
	for done := int64(0); ; {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		n, err := r.Read(part)
		if done += int64(n); done > limit {
			return fmt.Errorf("more than %d bytes; this cannot be the right file", limit)
		}
		if _, err := w.Write(part[:n]); err != nil {
			return err
		}
		if n > 0 {
			arrived()
			if f.Progress != nil {
				f.Progress(file.name, done, total)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
