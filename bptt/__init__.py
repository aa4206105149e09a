"""What the notebooks import besides torch: devices, figures, recorded graphs, meters; never an answer to an exercise."""
