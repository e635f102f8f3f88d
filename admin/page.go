package admin

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

// files are the page: HTML, style and script as a browser takes them.
//
//go:embed page
var files embed.FS

// pageRoutes serves the page and its files.
func pageRoutes(mux *http.ServeMux, guard func(http.Handler) http.Handler) {
	mux.Handle("GET /{$}", guard(file("index.html")))
	names, _ := files.ReadDir("page")
	for _, f := range names {
		mux.Handle("GET /page/"+f.Name(), guard(file(f.Name())))
	}
}

// file serves one file. Browsers ask each time whether it has changed, as it may with a new version.
func file(name string) http.Handler {
	content, _ := files.ReadFile("page/" + name)
	sum := sha256.Sum256(content)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	kind := mime.TypeByExtension(path.Ext(name))
	if strings.HasSuffix(name, ".js") { // some systems have another one
		kind = "text/javascript; charset=utf-8"
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", kind)
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", tag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	})
}
