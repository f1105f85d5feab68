// Package reference tells names of weights on the Hugging Face hub or at a URL from paths of files.
// [Use] sets who fetches them. The package uses no network, so that a program without downloads does
// not contain one.
package reference
