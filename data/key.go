package data

// Keyed is a dataset that has its own names for its samples.
type Keyed interface {
	// Key returns the name of sample i within the dataset.
	Key(i int) string
}

// Key returns the name of sample i within its dataset, with / between folders. It stays
// the same when the folder of the dataset moves, when samples are added or removed, and
// when members move to other shards. If one file holds many samples as pixels, their names
// are their numbers in it.
func Key(ds Dataset, i int) string {
	ds, i = origin(ds, i)
	if k, ok := ds.(Keyed); ok {
		return k.Key(i)
	}
	return ds.Name(i)
}
