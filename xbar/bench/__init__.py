"""Driver (what people write), Bench and Crossbar (what people use), and what passes between them."""
