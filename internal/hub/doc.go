// Package hub downloads weights from the Hugging Face hub and from plain URLs, and keeps them.
//
// Files from the hub are kept in the cache of Python's huggingface_hub, in its layout and with its
// locks, so that timm and this program download a model only once. Downloads resume where they
// stopped, are checked against the size and the checksum that the hub names, and get their final
// name only when they are complete.
//
// The token for the hub goes only to the hub: not to the host that it redirects to, and not to plain
// URLs.
// plain URLs.
package hub
