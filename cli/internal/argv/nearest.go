package argv

import (
	"slices"
	"strings"
)

// Suggest returns the end of an error message that suggests near; "" for "".
func Suggest(near string) string {
	if near == "" {
		return ""
	}
	return " (did you mean " + near + "?)"
}

// Nearest returns the name that a word was probably meant to be: the one with the smallest edit
// distance, if that is at most most; otherwise one that begins with the word; or "".
func Nearest(word string, names []string, most int) (near string) {
	least := most + 1
	for _, name := range names {
		if d := editDistance(word, name); d < least {
			near, least = name, d
		}
	}
	isBegun := func(name string) bool { return word != "" && strings.HasPrefix(name, word) }
	if i := slices.IndexFunc(names, isBegun); near == "" && i >= 0 {
		return names[i]
	}
	return near
}

// editDistance is the optimal string alignment distance: how many bytes have to be added,
// removed, replaced or swapped with their neighbour to turn one word into the other.
func editDistance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replace := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			d := min(replace, rows[i-1][j]+1, rows[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}
