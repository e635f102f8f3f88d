package command

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestDocumentedExitCodes: docs/command-line.md has the same table as the help.
func TestDocumentedExitCodes(t *testing.T) {
	page, err := os.ReadFile("../../docs/command-line.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range exitCodes {
		if row := fmt.Sprintf("| %s | %s | %s |", e.code, e.of, e.meaning); !strings.Contains(string(page), row) {
			t.Errorf("docs/command-line.md lacks %s", row)
		}
	}
}
