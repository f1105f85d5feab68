package train

import (
	"encoding/json"
	"fmt"
	"unsafe"

	"fasternet/ops"
)

// receive gives all ranks the state of rank 0, as in a checkpoint.
func (t *trainer) receive() error {
	f := t.state()
	progress := []byte(t.progress.text())
	all, err := t.ranks.Gather(progress)
	if err != nil {
		return err
	}
	for _, x := range f.Tensors {
		for _, memory := range [][]byte{bytesOf(x.F32), bytesOf(x.I64)} {
			if len(memory) == 0 {
				continue
			}
			if err := t.ranks.Broadcast(memory, 0); err != nil {
				return fmt.Errorf("%s of rank 0: %w", x.Name, err)
			}
		}
	}
	if t.ranks.Rank() == 0 {
		return nil
	}
	t.progress = Progress{}
	if err := json.Unmarshal(all[0], &t.progress); err != nil {
		return fmt.Errorf("the progress of rank 0: %w", err)
	}
	return t.restore(&f) // the values are in place already; this marks them as changed
}

// bytesOf returns the memory of a slice.
func bytesOf[T float32 | int64](x []T) []byte {
	if len(x) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), len(x)*int(unsafe.Sizeof(x[0])))
}

// average replaces the running statistics of batch norms by their mean over the ranks, after every step. Then all
// ranks have the state of a checkpoint, and a resumed run has the same bits. With
// train.dist_bn=broadcast, rank 0's count anyway.
func (t *trainer) average() error {
	if t.config.Train.DistBN == "broadcast" {
		return nil
	}
	return t.distribute(t.statistics())
}

// statistics returns the running statistics of batch norms that differ from rank to rank.
func (t *trainer) statistics() [][]float32 {
	if t.config.Train.SyncBatchNorm {
		return nil
	}
	return statisticsOf(t.task.store().Norms)
}

func statisticsOf(norms []*ops.BatchNorm) (all [][]float32) {
	for _, n := range norms {
		all = append(all, n.RunningMean, n.RunningVar)
	}
	return all
}

// distribute makes statistics the same on all ranks, as train.dist_bn says. Averaging and moving commute, so it does
// not matter how often.
func (t *trainer) distribute(statistics [][]float32) error {
	if t.ranks.Size() == 1 || len(statistics) == 0 {
		return nil
	}
	switch how := t.config.Train.DistBN; how {
	case "broadcast":
		for _, s := range statistics {
			if err := t.ranks.Broadcast(bytesOf(s), 0); err != nil {
				return err
			}
		}
		return nil
	case "reduce":
		return t.reduce(statistics)
	default:
		return fmt.Errorf("train.dist_bn: unknown value %q", how)
	}
}

// reduce replaces statistics by their mean over the ranks.
func (t *trainer) reduce(statistics [][]float32) error {
	var sums []float64
	for _, s := range statistics {
		for _, v := range s {
			sums = append(sums, float64(v))
		}
	}
	if err := t.ranks.Sum64(sums); err != nil {
		return err
	}
	for _, s := range statistics {
		for i := range s {
			s[i] = float32(sums[i] / float64(t.ranks.Size()))
		}
		sums = sums[len(s):]
	}
	return nil
}
