"""What the attention passes share: finding attention in a graph, and its forms as streams."""
