"""What tracks by itself: one module for each kind of program, each given the client. None of them is needed."""
