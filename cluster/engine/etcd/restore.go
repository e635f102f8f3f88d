package etcd

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"go.etcd.io/etcd/etcdutl/v3/snapshot"
)

// ErrHasData says that a member has data, which a restore would replace.
var ErrHasData = errors.New("the directory is not empty: move it away first")

// Restore makes the data of a member from a file that Snapshot wrote, of whatever cluster. All
// founding members have to be restored from the same file, while none of them runs. They make a new
// cluster, with another id, so that members of the old one cannot take part in it.
func Restore(c Config, file string) error {
	c, err := c.checked()
	if err != nil {
		return err
	}
	if entries, err := os.ReadDir(c.Dir); err == nil && len(entries) > 0 {
		return ErrHasData
	}
	// All members need the same name for the new cluster, and the old one had another.
	token, err := checksum(file)
	if err != nil {
		return err
	}
	self, _ := c.self()
	own := c.url(self.Address)
	err = snapshot.NewV3(newZap(c.Logger, c.Fatal)).Restore(snapshot.RestoreConfig{
		SnapshotPath:        file,
		Name:                c.Name,
		OutputDataDir:       c.Dir,
		PeerURLs:            []string{own.String()},
		InitialCluster:      c.founding().initial,
		InitialClusterToken: c.Cluster + "-" + token,
	})
	if err != nil {
		_ = os.RemoveAll(c.Dir) // half a directory would be taken for a member's
		return fmt.Errorf("%s cannot be restored: %w", file, err)
	}
	return nil
}

func checksum(file string) (sum string, err error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// HasData reports whether a directory is that of a member that has run.
func HasData(dir string) bool { return Config{Dir: dir}.hasWAL() }
