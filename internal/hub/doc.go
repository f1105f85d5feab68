// Package hub fetches weights from the Hugging Face hub and from plain URLs, and keeps them.
//
// What comes from the hub is kept in the cache of Python's huggingface_hub, in its layout and
// under its locks, so that timm and this program download a model once. Downloads resume where
// they stopped, are checked against the size and the checksum that the hub names, and get their
// final name only when they are whole.
//
// A token for the hub goes to the hub alone: not to the host that it redirects to, and not to
// plain URLs.
package hub
