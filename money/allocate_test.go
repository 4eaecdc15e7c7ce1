package money_test

import (
	"errors"
	"math"
	"math/big"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/plomb-pos/plomb/money"
	"pgregory.net/rapid"
)

func weights() *rapid.Generator[[]int64] {
	weight := rapid.OneOf(rapid.Int64Range(0, 20), rapid.Int64Range(0, math.MaxInt64/40))
	return rapid.SliceOfN(weight, 1, 40).Filter(func(ws []int64) bool {
		for _, w := range ws {
			if w > 0 {
				return true
			}
		}
		return false
	})
}

func TestSplittingNeverLosesACent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total, ws := edgy().Draw(t, "total"), weights().Draw(t, "weights")
		parts, err := money.Allocate(money.Amount(total), ws)
		if err != nil {
			t.Fatal(err)
		}
		if sum, err := money.Sum(parts...); err != nil || int64(sum) != total {
			t.Fatalf("parts %v add up to %d, %v, want %d", parts, sum, err, total)
		}
		for i, p := range parts {
			if far(total, ws, i, p) {
				t.Fatalf("part %d is %d: a cent or more from its exact share", i, p)
			}
		}
	})
}

// far reports whether a part is one cent or more away from its exact share.
func far(total int64, ws []int64, i int, part money.Amount) bool {
	sum := new(big.Int)
	for _, w := range ws {
		sum.Add(sum, bigOf(w))
	}
	exact := new(big.Rat).SetFrac(new(big.Int).Mul(bigOf(total), bigOf(ws[i])), sum)
	off := new(big.Rat).Sub(new(big.Rat).SetInt(bigOf(int64(part))), exact)
	return off.Abs(off).Cmp(big.NewRat(1, 1)) >= 0
}

func TestSplittingANegativeTotalMirrorsThePositive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total, ws := rapid.Int64Range(0, math.MaxInt64).Draw(t, "total"), weights().Draw(t, "weights")
		sale, _ := money.Allocate(money.Amount(total), ws)
		back, _ := money.Allocate(money.Amount(-total), ws)
		for i := range sale {
			if sale[i] != -back[i] {
				t.Fatalf("part %d: sale %d, return %d", i, sale[i], back[i])
			}
		}
	})
}

func TestLeftOverCentsGoToTheLargestRemainderThenTheEarlier(t *testing.T) {
	for _, c := range []struct {
		total   money.Amount
		weights []int64
		want    []money.Amount
	}{
		{100, []int64{1, 1, 1}, []money.Amount{34, 33, 33}},
		{-100, []int64{1, 1, 1}, []money.Amount{-34, -33, -33}},
		{5, []int64{3, 7}, []money.Amount{2, 3}}, // 1.5 and 3.5: the earlier
		{101, []int64{10, 45, 45}, []money.Amount{10, 46, 45}},
		{0, []int64{1, 2}, []money.Amount{0, 0}},
		{2, []int64{0, 1, 0}, []money.Amount{0, 2, 0}},
		{1, []int64{1, 1, 0}, []money.Amount{1, 0, 0}},
		{smallest, []int64{1}, []money.Amount{smallest}},
		{largest, []int64{math.MaxInt64}, []money.Amount{largest}},
	} {
		got, err := money.Allocate(c.total, c.weights)
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("Allocate(%d, %v) error %v (-want +got):\n%s", c.total, c.weights, err, diff)
		}
	}
}

func TestTiesGoToTheEarlierHoweverManyThereAre(t *testing.T) {
	ws, seen := make([]int64, 300), make(map[int64]money.Amount)
	for i := range ws {
		ws[i] = int64(i*i%7 + 1)
	}
	parts, err := money.Allocate(10_137, ws)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range parts {
		if before, ok := seen[ws[i]]; ok && p > before {
			t.Fatalf("part %d is %d, an earlier one of the same weight only %d", i, p, before)
		}
		seen[ws[i]] = p
	}
}

func TestWeightsThatCannotSplitAreRefused(t *testing.T) {
	for _, ws := range [][]int64{nil, {0}, {0, 0}, {1, -1}, {math.MinInt64}} {
		if got, err := money.Allocate(1, ws); !errors.Is(err, money.ErrWeights) {
			t.Errorf("Allocate(1, %v) = %v, %v, want ErrWeights", ws, got, err)
		}
	}
	if _, err := money.Allocate(1, []int64{math.MaxInt64, 1}); !errors.Is(err, money.ErrOverflow) {
		t.Errorf("Allocate with too heavy weights: error = %v, want ErrOverflow", err)
	}
	if _, err := money.Share(1, 1, 0, 0); !errors.Is(err, money.ErrDivision) {
		t.Errorf("Share(1, 1, 0): error = %v, want ErrDivision", err)
	}
}
