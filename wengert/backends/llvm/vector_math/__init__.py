"""Mathematical functions as LLVM text: accurate to about one unit in the last place, special values included."""
