package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"fasternet/internal/reference"
)

// unnamedCommit stands for the commit in the cache if a server does not name one, such as a plain
// copy of the hub's files.
const unnamedCommit = "0000000000000000000000000000000000000000"

// Fetched says which files of a reference are on this machine.
type Fetched struct {
	Reference reference.Reference `json:"-"`
	Weights   string              `json:"weights"`          // path of the file
	Config    string              `json:"config,omitempty"` // path of config.json next to it; "" if there is none
	Commit    string              `json:"commit,omitempty"` // on the hub, if known
}

// Fetch brings the weights of a reference, and their description, to this machine, unless they are
// already there and the hub has no newer ones. If the hub does not answer, it takes the files of the
// cache, with a note. Other errors say what is wrong and what to do, and may wrap
// [reference.ErrReference], [ErrNotFound], [ErrDenied], [ErrUnreachable], [ErrOffline], [ErrDamaged],
// [ErrWrite] or the end of the context.
func (c *Client) Fetch(ctx context.Context, text string) (Fetched, error) {
	r, err := reference.Parse(text)
	if err != nil {
		return Fetched{}, err
	}
	if r.URL != "" {
		return c.fetchURL(ctx, r)
	}
	cached, there := c.cached(r)
	if there && (c.settings.Offline || fullCommit.MatchString(r.Revision) && cached.Config != "") {
		return cached, nil
	}
	if c.settings.Offline {
		return Fetched{}, fmt.Errorf("%s: %w: the cache is %s", r, ErrOffline, c.settings.Cache)
	}
	f, err := c.fetchRepo(ctx, r, tries(there))
	if there && ctx.Err() == nil && noAnswer(err) {
		c.observer.Note(fmt.Sprintf("%v; using commit %.12s from the cache", err, cached.Commit))
		return cached, nil
	}
	return f, err
}

// tries returns how often to ask a server. A user with a copy does not have to wait.
func tries(there bool) int {
	if there {
		return 1
	}
	return attempts
}

// noAnswer reports whether an error leaves open what the hub has.
func noAnswer(err error) bool {
	var t temporary
	return errors.Is(err, ErrUnreachable) || errors.As(err, &t)
}

// cached returns the files of a model in the cache.
func (c *Client) cached(r reference.Reference) (Fetched, bool) {
	repo := c.repository(r.Repo)
	commit := repo.commit(r.Revision)
	if commit == "" {
		return Fetched{}, false
	}
	names := []string{r.File}
	if r.File == "" {
		names = slices.Clone(reference.WeightFiles)
		if only, err := theOnly(repo.files(commit)); err == nil {
			names = append(names, only)
		}
	}
	for _, name := range names {
		if !repo.has(commit, name) {
			continue
		}
		f := Fetched{Reference: r, Weights: repo.snapshot(commit, name), Commit: named(commit)}
		if config := path.Join(path.Dir(name), reference.ConfigFile); repo.has(commit, config) {
			f.Config = repo.snapshot(commit, config)
		}
		return f, true
	}
	return Fetched{}, false
}

func named(commit string) string {
	if commit == unnamedCommit {
		return ""
	}
	return commit
}

// fetchRepo asks the hub for a model.
func (c *Client) fetchRepo(ctx context.Context, r reference.Reference, tries int) (Fetched, error) {
	names := reference.WeightFiles
	if r.File != "" {
		names = []string{r.File}
	}
	config := r
	config.File = path.Join(path.Dir(names[0]), reference.ConfigFile)
	described, err := c.head(ctx, config, mostConfig, tries)
	isDescribed := err == nil
	if err != nil && !errors.As(err, new(missingFile)) {
		return Fetched{}, err
	}
	weights, err := c.findWeights(ctx, r, names, tries)
	if r.File == "" && errors.As(err, new(missingFile)) {
		what := fmt.Sprintf("%s has no such model or revision", c.settings.Endpoint)
		if isDescribed {
			what = "the model has no file of weights (" + strings.Join(reference.WeightFiles, ", ") + ")"
		}
		err = fmt.Errorf("%s: %w: %s%s", r, ErrNotFound, what, didYouMean(r.Repo))
	}
	if err != nil {
		return Fetched{}, err
	}
	for _, m := range []*metadata{&described, &weights} {
		if m.commit == "" {
			m.commit = unnamedCommit
			if fullCommit.MatchString(r.Revision) {
				m.commit = r.Revision
			}
		}
	}
	if isDescribed && described.commit != weights.commit {
		return Fetched{}, fmt.Errorf("%s: the hub has just got a newer version: run the same command again", r)
	}
	f := Fetched{Reference: r, Commit: named(weights.commit)}
	if isDescribed {
		if f.Config, err = c.keep(ctx, described); err != nil {
			return Fetched{}, err
		}
	}
	if f.Weights, err = c.keep(ctx, weights); err != nil {
		return Fetched{}, err
	}
	repo := c.repository(r.Repo)
	// Only others may be able to write the cache.
	err = repo.setCommit(r.Revision, weights.commit)
	if err != nil && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EROFS) {
		return Fetched{}, c.writing(filepath.Join(repo.dir, "refs"), 0, 0, err)
	}
	return f, nil
}

// findWeights asks for the first of some files that the repository has, or else for its only file
// with weights.
func (c *Client) findWeights(ctx context.Context, r reference.Reference, names []string, tries int) (metadata, error) {
	var missing error
	for _, name := range names {
		file := r
		file.File = name
		m, err := c.head(ctx, file, mostWeights, tries)
		if !errors.As(err, new(missingFile)) {
			return m, err
		}
		missing = err
	}
	if r.File != "" {
		return metadata{}, missing
	}
	name, err := c.onlyWeights(ctx, r, tries)
	if errors.As(err, new(missingFile)) { // a plain copy of the files cannot list them
		return metadata{}, missing
	}
	if err != nil {
		return metadata{}, err
	}
	r.File = name
	return c.head(ctx, r, mostWeights, tries)
}

// onlyWeights asks for the names of the files of a repository, and returns the one with weights.
func (c *Client) onlyWeights(ctx context.Context, r reference.Reference, tries int) (string, error) {
	var list struct {
		Siblings []struct {
			Name string `json:"rfilename"`
		} `json:"siblings"`
	}
	err := c.again(ctx, tries, func() (bool, error) {
		address := c.settings.Endpoint + "/api/models/" + r.Repo + "/revision/" + url.PathEscape(r.Revision)
		return false, c.json(ctx, r, address, &list)
	})
	if err != nil {
		return "", err
	}
	var names []string
	for _, s := range list.Siblings {
		names = append(names, s.Name)
	}
	only, err := theOnly(names)
	if err != nil {
		err = fmt.Errorf("%s: %w", r, err)
	}
	return only, err
}

// theOnly returns the only file of weights; if there are several, the only one that is not a pickle.
func theOnly(names []string) (string, error) {
	var found []string
	for _, name := range names {
		if reference.CheckFile(name) == nil && reference.IsWeights(name) {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	safe := slices.DeleteFunc(slices.Clone(found), func(name string) bool {
		return path.Ext(name) != ".safetensors"
	})
	if len(safe) == 1 {
		found = safe
	}
	switch {
	case len(found) == 0:
		return "", fmt.Errorf("%w: the repository has no file of weights (%s)",
			ErrNotFound, strings.Join(reference.Endings, ", "))
	case reference.CheckWhole(found...) != nil:
		return "", reference.CheckWhole(found...)
	case len(found) > 1:
		few := found[:min(len(found), 3)]
		return "", fmt.Errorf("the repository has %d files of weights (%s…): name one, e.g. hf://ORG/NAME/%s",
			len(found), strings.Join(few, ", "), found[0])
	}
	return found[0], nil
}

// json reads an answer of the hub's API.
func (c *Client) json(ctx context.Context, r reference.Reference, address string, into any) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", r, err)
	}
	response, err := c.send(c.files, request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return c.refusal(r, response)
	}
	text, err := io.ReadAll(io.LimitReader(watch(response.Body, c.settings.Timeout, cancel), mostConfig+1))
	if err != nil {
		return temporary{fmt.Errorf("%s: %w", r, inWords(err)), 0}
	}
	if len(text) > mostConfig {
		return fmt.Errorf("%s: the hub's list of its files is larger than %s", r, Bytes(mostConfig))
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: the hub's list of its files cannot be read", r)
	}
	return nil
}

// fetchURL brings a file to this machine, and config.json from next to it if the name of the file
// is one that has a config.json.
func (c *Client) fetchURL(ctx context.Context, r reference.Reference) (Fetched, error) {
	p := c.place(r)
	there := p.whole()
	if there && r.SHA256 != "" && p.origin().SHA256 == r.SHA256 {
		return p.fetched(r), nil
	}
	if c.settings.Offline {
		if there && r.SHA256 == "" {
			return p.fetched(r), nil
		}
		return Fetched{}, fmt.Errorf("%s: %w: the cache is %s", r, ErrOffline, p.dir)
	}
	f, err := c.download(ctx, r, p, tries(there && r.SHA256 == ""))
	if there && r.SHA256 == "" && ctx.Err() == nil && noAnswer(err) {
		c.observer.Note(fmt.Sprintf("%v; using the copy from %s", err, p.origin().Date.Format("2006-01-02")))
		return p.fetched(r), nil
	}
	return f, err
}

func (c *Client) download(ctx context.Context, r reference.Reference, p place, tries int) (Fetched, error) {
	m, err := c.head(ctx, r, mostWeights, tries)
	if err != nil {
		return Fetched{}, err
	}
	failed := func(err error) error { return c.writing(filepath.Join(p.dir, "x"), 0, 0, err) }
	unlock, err := c.lock(ctx, p.path+".lock", r.String())
	if err != nil && ctx.Err() == nil {
		err = failed(err)
	}
	if err != nil {
		return Fetched{}, err
	}
	defer unlock()
	if err := c.downloadConfig(ctx, r, p, tries); err != nil {
		return Fetched{}, err
	}
	if p.current(m) && (r.SHA256 == "" || p.origin().SHA256 == r.SHA256) {
		return p.fetched(r), nil
	}
	if err := p.store(ctx, c, m, r.SHA256); err != nil {
		return Fetched{}, err
	}
	return p.fetched(r), nil
}

// downloadConfig gets config.json from next to a file, if there is one.
func (c *Client) downloadConfig(ctx context.Context, r reference.Reference, p place, tries int) error {
	if !slices.Contains(reference.WeightFiles, filepath.Base(p.path)) {
		return nil
	}
	u, err := url.Parse(r.URL)
	if err != nil {
		return fmt.Errorf("%s: %w", r, err)
	}
	u.Path, u.RawPath, u.RawQuery = path.Join(path.Dir(u.Path), reference.ConfigFile), "", ""
	config := reference.Reference{URL: u.String()}
	m, err := c.head(ctx, config, mostConfig, tries)
	if errors.As(err, new(missingFile)) || errors.Is(err, ErrDenied) {
		return nil // for the user, it does not exist
	}
	if err != nil {
		return err
	}
	q := place{dir: p.dir, path: filepath.Join(p.dir, reference.ConfigFile)}
	if q.current(m) {
		return nil
	}
	return q.store(ctx, c, m, "")
}
