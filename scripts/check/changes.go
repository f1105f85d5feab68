package main

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// changed is what git says about the working tree.
type changed struct {
	since string   // the commit that the tree is compared with, in words
	files []string // relative to the root, with slashes; also files that were deleted
}

// changes compares the working tree with a commit: with base, or the commit at which the work left
// the main branch. On the main branch it returns what is not committed, or else the last commit.
func changes(base string) (changed, error) {
	var c changed
	untracked, err := git("ls-files", "-z", "--others", "--exclude-standard")
	if err != nil {
		return c, err
	}
	head, err := git("rev-parse", "--verify", "HEAD^{commit}")
	if err != nil {
		return c, fmt.Errorf("there is no commit to compare with: %w", err)
	}
	from, since := "", ""
	if base != "" {
		if from, err = git("rev-parse", "--verify", "--end-of-options", base+"^{commit}"); err != nil {
			return c, fmt.Errorf("--base: there is no commit %q", base)
		}
		since = base
	}
	for _, branch := range []string{"main", "origin/main"} {
		if from != "" && from != head {
			break
		}
		if fork, err := git("merge-base", "HEAD", branch); err == nil && base == "" {
			from, since = fork, branch
		}
	}
	if from == "" || from == head && base == "" {
		from, since = head, "HEAD"
	}
	diff, err := git("diff", "--name-only", "--no-renames", "-z", from, "--")
	if err != nil {
		return c, err
	}
	if diff == "" && untracked == "" && since == "HEAD" {
		if last, err := git("rev-parse", "--verify", "HEAD~1"); err == nil {
			from, since = last, "HEAD~1, because everything is committed"
			if diff, err = git("diff", "--name-only", "--no-renames", "-z", from, "--"); err != nil {
				return c, err
			}
		}
	}
	for name := range strings.SplitSeq(diff+untracked, "\x00") {
		if name != "" {
			c.files = append(c.files, name)
		}
	}
	slices.Sort(c.files)
	c.files = slices.Compact(c.files)
	c.since = fmt.Sprintf("%s (%.8s)", since, from)
	return c, nil
}

func git(args ...string) (string, error) {
	out, err := exec.Command("git", args...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return "", fmt.Errorf("git %s: %s", args[0], strings.TrimSpace(string(exit.Stderr)))
		}
		return "", err
	}
	return strings.TrimSuffix(string(out), "\n"), nil
}
