"""The `nexus` command. One file for each group of commands; heavy imports happen inside them."""
