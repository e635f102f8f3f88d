package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/lockcached/lockcached/cli/internal/exit"
	"github.com/lockcached/lockcached/cluster/engine"
	"github.com/lockcached/lockcached/cluster/membership"
)

// add makes a place for a node.
func (c *clusterCommand) add(a *App, operand string) error {
	list, err := engine.ParsePeers(operand)
	switch {
	case err != nil:
		return exit.Refuse("cluster add "+operand, err.Error())
	case len(list) > 1:
		return exit.Refuse("cluster add "+operand, "takes one node at a time")
	}
	return c.change(func(ctx context.Context, cluster *membership.Cluster) error {
		err := cluster.Add(ctx, list[0])
		switch {
		case errors.Is(err, membership.ErrNoPlace):
			return exit.Print(a.Stdout, list[0].Name+" "+membership.ErrNoPlace.Error()+". Start it, behind the "+
				fmt.Sprintf("first %d nodes in its --cluster.\n", engine.MaxVoters))
		case err != nil:
			return fmt.Errorf("cluster add %s: %w", operand, err)
		}
		return exit.Print(a.Stdout, list[0].Name+" has a place. Start it with an empty --data, and with "+operand+
			" in its --cluster, among the first "+fmt.Sprint(engine.MaxVoters)+" nodes.\n")
	})
}

// remove removes a node.
func (c *clusterCommand) remove(a *App, name string) error {
	return c.change(func(ctx context.Context, cluster *membership.Cluster) error {
		done, err := cluster.Remove(ctx, name)
		if err != nil {
			return fmt.Errorf("cluster remove %s: %w", name, err)
		}
		said := name + " is removed."
		switch {
		case done.HandedOver && done.Ends:
			said += " Its slots were handed over, and its process ends."
		case done.HandedOver:
			said += " Its slots were handed over. Stop it now."
		}
		said += " Leave it out of --cluster when you start other nodes next.\n"
		if err := exit.Print(a.Stdout, said); err != nil {
			return err
		}
		if done.Voters > 0 && done.Voters%2 == 0 {
			fmt.Fprintf(a.Stderr, "lockcached: %d nodes keep the engine's data now, and outlive the loss of %d, as %d do\n",
				done.Voters, (done.Voters-1)/2, done.Voters-1)
		}
		return nil
	})
}

// change carries out a change of the cluster, over its engine.
func (c *clusterCommand) change(do func(ctx context.Context, cluster *membership.Cluster) error) error {
	return c.over(func(ctx context.Context, e clusterEngine) error {
		return do(ctx, &membership.Cluster{Engine: e, Prefix: engine.KeyPrefix, Nodes: len(c.external) == 0})
	})
}

// over does something over the engine, within --within.
func (c *clusterCommand) over(do func(ctx context.Context, e clusterEngine) error) error {
	nodes, err := c.enginePeers()
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(context.Background(), c.wait)
	defer stop()
	return c.withEngine(ctx, nodes, func(e clusterEngine) error { return do(ctx, e) })
}

// enginePeers are the nodes that are asked, none if the engine is elsewhere.
func (c *clusterCommand) enginePeers() ([]engine.Peer, error) {
	if len(c.external) > 0 {
		return nil, nil
	}
	nodes, err := c.addresses()
	if err != nil {
		return nil, err
	}
	if c.cert == "" {
		for _, n := range nodes {
			if !n.IsLoopback() {
				return nil, exit.Refuse("--cluster-tls-cert", "is needed, as are -key and -ca, because "+n.Address+" is not on this machine")
			}
		}
	}
	return nodes, nil
}

// backup saves a snapshot of the engine.
func (c *clusterCommand) backup(a *App, file string) error {
	return c.over(func(ctx context.Context, e clusterEngine) error {
		n, err := save(ctx, e, file)
		if err != nil {
			return fmt.Errorf("cluster backup %s: %w", file, err)
		}
		return exit.Print(a.Stdout, fmt.Sprintf("%s: %s\n", file, inBytes(uint64(n))))
	})
}

// restore makes the data of a node from a backup.
func (c *clusterCommand) restore(a *App, file string) error {
	switch {
	case len(c.external) > 0:
		return exit.Refuse("cluster restore", "is for the engine within the nodes; restore an etcd that runs elsewhere with etcdutl")
	case len(c.nodes) == 0 || c.node == "" || c.data == "":
		return exit.Refuse("cluster restore", "needs --cluster, --node and --data, those of the node")
	}
	if err := c.restoreEngine(file); err != nil {
		return fmt.Errorf("cluster restore: %w", err)
	}
	return exit.Print(a.Stdout, fmt.Sprintf("%s has the data of %s. Restore all nodes that keep data from the same file, then start them.\n", c.data, file))
}
