package data

// Keyed is a dataset that calls its samples by names of its own.
type Keyed interface {
	// Key is the name of sample i within the dataset.
	Key(i int) string
}

// Key is what sample i is called within its dataset, with / between folders: it stays
// the same when the folder of the dataset moves, when samples are added or removed, and
// when members go to other shards. Samples of one file of pixels are called by their
// numbers in it.
func Key(ds Dataset, i int) string {
	ds, i = origin(ds, i)
	if k, ok := ds.(Keyed); ok {
		return k.Key(i)
	}
	return ds.Name(i)
}
