package reference

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

// DefaultRevision is the branch that a reference without a revision means.
const DefaultRevision = "main"

// Reference names weights that are not on this machine: a model of the hub, or a URL.
type Reference struct {
	Repo     string // repository on the hub, e.g. timm/fasternet_t0.in1k; "" for a URL
	Revision string // a branch, a tag or a commit
	File     string // path within the repository, with slashes; "" for its weights

	URL    string // address of a file; "" for the hub
	SHA256 string // checksum of the content of URL, in hex; "" if unknown
}

// ErrReference says that a text is not a valid reference.
var ErrReference = errors.New("neither a model of the hub nor a URL of weights")

// Endings lists the endings of files with weights.
var Endings = []string{".safetensors", ".onnx", ".pth", ".pt", ".bin", ".ckpt", ".tar"}

// WeightFiles lists the names of weights in a repository, in the order in which timm looks for them.
var WeightFiles = []string{"model.safetensors", "pytorch_model.bin", "pytorch_model.pth", "model.pth"}

// ConfigFile is the name of the file that describes a model, next to its weights.
const ConfigFile = "config.json"

var (
	scheme      = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://`)
	repoPart    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}$`)
	revision    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*$`)
	filePart    = regexp.MustCompile(`^[^\\/:*?"<>|\x00-\x1f\x7f]{1,200}$`)
	hexadecimal = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// prefixes are the prefixes of a model of the hub. The last two come from timm.
var prefixes = []string{"hf://", "hf-hub:", "hf_hub:"}

// IsReference reports whether a text names weights on the hub or at a URL, and not a file of this
// machine. It may still be wrong: see [Parse].
func IsReference(text string) bool {
	_, found := afterPrefix(text)
	return found || scheme.MatchString(text)
}

// LooksLikeRepository reports whether a text that is not a file may be meant as a model of the hub:
// ORG/NAME.
func LooksLikeRepository(text string) bool {
	org, name, found := strings.Cut(text, "/")
	_, err := Model(org, name, DefaultRevision, "")
	return found && err == nil && !IsWeights(name)
}

func afterPrefix(text string) (rest string, found bool) {
	for _, p := range prefixes {
		if len(text) >= len(p) && strings.EqualFold(text[:len(p)], p) {
			return text[len(p):], true
		}
	}
	return "", false
}

// Parse reads a reference:
//
//	hf://ORG/NAME             a model of the hub; hf-hub:ORG/NAME is the same
//	hf://ORG/NAME@REVISION    at a branch, a tag or a commit
//	hf://ORG/NAME/FILE        one file of it; hf://ORG/NAME@REVISION/FILE too
//	https://HOST/…            a file of weights, with #sha256=… if its checksum is known
//
// The address of a model or a file on the site of the hub means the same as hf://. The error
// wraps [ErrReference].
func Parse(text string) (Reference, error) {
	if rest, found := afterPrefix(text); found {
		r, err := parseRepo(rest)
		return r, wrong(text, err)
	}
	u, err := url.Parse(text)
	if err != nil {
		var reason *url.Error
		if errors.As(err, &reason) {
			err = reason.Err
		}
		return Reference{}, wrong(text, err)
	}
	switch strings.ToLower(u.Scheme) {
	case "https", "http":
	default:
		return Reference{}, wrong(text, fmt.Errorf("want hf://ORG/NAME or https://…"))
	}
	if u.User != nil {
		return Reference{}, wrong(u.Redacted(), fmt.Errorf("a URL with a password would appear in the files of runs: "+
			"download the file with another program"))
	}
	if u.Hostname() == "" {
		return Reference{}, wrong(text, fmt.Errorf("it has no host"))
	}
	if IsSite(u.Hostname()) {
		r, err := parseSite(u.Path)
		return r, wrong(text, err)
	}
	r, err := parseURL(u)
	return r, wrong(text, err)
}

func wrong(text string, err error) error {
	if err == nil {
		return nil
	}
	const most = 200
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return fmt.Errorf("%s: %w: %w", text, ErrReference, err)
}

// IsSite reports whether a host is the site of the hub, whose addresses people copy from a browser.
func IsSite(host string) bool {
	return slices.Contains([]string{"huggingface.co", "www.huggingface.co", "hf.co"}, strings.ToLower(host))
}

// parseRepo reads ORG/NAME[@REVISION][/FILE].
func parseRepo(text string) (Reference, error) {
	parts := strings.SplitN(text, "/", 3)
	if len(parts) < 2 {
		return Reference{}, fmt.Errorf("want ORG/NAME, e.g. hf://timm/fasternet_t0.in1k")
	}
	org, name, file := parts[0], parts[1], ""
	name, rev, hasRevision := strings.Cut(name, "@")
	if len(parts) == 3 {
		file = parts[2]
	}
	if hasRevision && rev == "refs" { // refs/pr/1 and refs/convert/… contain slashes
		of := strings.SplitN(file, "/", 3)
		if len(of) < 2 {
			return Reference{}, fmt.Errorf("revision refs/%s: want e.g. refs/pr/1", file)
		}
		rev, file = "refs/"+of[0]+"/"+of[1], strings.Join(of[2:], "/")
	}
	if !hasRevision {
		rev = DefaultRevision
	}
	return Model(org, name, rev, file)
}

// parseSite reads the path of a page of the hub: /ORG/NAME, or /ORG/NAME/KIND/REVISION/FILE.
func parseSite(p string) (Reference, error) {
	parts := strings.Split(strings.Trim(p, "/"), "/")
	if len(parts) < 2 {
		return Reference{}, fmt.Errorf("want the page of a model, /ORG/NAME")
	}
	if slices.Contains([]string{"datasets", "spaces", "docs", "api", "collections"}, parts[0]) {
		return Reference{}, fmt.Errorf("want the page of a model, not of %s", parts[0])
	}
	if len(parts) == 2 {
		return Model(parts[0], parts[1], DefaultRevision, "")
	}
	if len(parts) < 4 || !slices.Contains([]string{"tree", "blob", "resolve", "raw"}, parts[2]) {
		return Reference{}, fmt.Errorf("want the page of a model, /ORG/NAME, or of one of its files, "+
			"/ORG/NAME/blob/%s/FILE", DefaultRevision)
	}
	file := strings.Join(parts[4:], "/")
	if parts[2] == "tree" && file != "" {
		return Reference{}, fmt.Errorf("it is a folder of a model: want a file")
	}
	return Model(parts[0], parts[1], parts[3], file)
}

// Model returns the reference to a model of the hub at a revision, or to one file of it.
func Model(org, name, rev, file string) (Reference, error) {
	for _, part := range []string{org, name} {
		// The hub does not allow them: a folder of the cache would be ambiguous, or lie elsewhere.
		if !repoPart.MatchString(part) ||
			strings.Contains(part, "--") ||
			strings.Contains(part, "..") ||
			strings.HasSuffix(part, ".git") {
			return Reference{}, fmt.Errorf("%q: want ORG/NAME of letters, digits and single . _ -", part)
		}
	}
	if !revision.MatchString(rev) || strings.Contains(rev, "..") || strings.HasSuffix(rev, ".lock") || len(rev) > 200 {
		return Reference{}, fmt.Errorf("revision %q: want a branch, a tag or a commit", rev)
	}
	if file != "" {
		if err := CheckFile(file); err != nil {
			return Reference{}, err
		}
		if !IsWeights(file) {
			return Reference{}, fmt.Errorf("%s: want a file that ends in %s", file, strings.Join(Endings, ", "))
		}
		if err := CheckWhole(file); err != nil {
			return Reference{}, err
		}
	}
	return Reference{Repo: org + "/" + name, Revision: rev, File: file}, nil
}

// CheckFile returns an error unless the name of a file in a repository stays within the folder of its
// snapshot, on any system.
func CheckFile(name string) error {
	for part := range strings.SplitSeq(name, "/") {
		if !filePart.MatchString(part) ||
			strings.Trim(part, ". ") == "" ||
			strings.HasSuffix(part, " ") ||
			strings.HasSuffix(part, ".") {
			return fmt.Errorf("file %q: want the name of a file in a repository", name)
		}
	}
	return nil
}

// IsWeights reports whether a name ends like a file of weights.
func IsWeights(name string) bool {
	return slices.Contains(Endings, strings.ToLower(path.Ext(name)))
}

// partOfWeights matches the names of weights that are saved in several files, such as
// model-00001-of-00002.safetensors.
var partOfWeights = regexp.MustCompile(`-\d{5}-of-\d{5}\.[A-Za-z]+$`)

// CheckWhole returns an error if one of the files of weights has only a part of them.
func CheckWhole(files ...string) error {
	for _, f := range files {
		if partOfWeights.MatchString(f) {
			return fmt.Errorf("%s has only a part of the weights, which are saved in several files: "+
				"want all in one file (in Python: save_pretrained with a larger max_shard_size)", path.Base(f))
		}
	}
	return nil
}

func parseURL(u *url.URL) (Reference, error) {
	r := Reference{}
	if u.Fragment != "" {
		sum, ok := strings.CutPrefix(strings.ToLower(u.Fragment), "sha256=")
		if !ok || !hexadecimal.MatchString(sum) {
			return r, fmt.Errorf("after # want sha256= and 64 hex digits")
		}
		r.SHA256 = sum
	}
	name := path.Base(u.Path)
	if err := CheckFile(name); err != nil || !IsWeights(name) {
		return r, fmt.Errorf("%q is not the name of a file of weights: want a URL that ends in %s",
			name, strings.Join(Endings, ", "))
	}
	if err := CheckWhole(name); err != nil {
		return r, err
	}
	plain := *u
	plain.Fragment, plain.RawFragment = "", ""
	r.URL = plain.String()
	return r, nil
}

// String returns the reference in the form that [Parse] reads.
func (r Reference) String() string {
	if r.URL != "" {
		return Shown(r.URL)
	}
	text := "hf://" + r.Repo
	if r.Revision != DefaultRevision {
		text += "@" + r.Revision
	}
	if r.File != "" {
		text += "/" + r.File
	}
	return text
}

// Shown returns a URL for people: without the query, which may be a signature.
func Shown(address string) string {
	before, _, _ := strings.Cut(address, "?")
	return before
}
