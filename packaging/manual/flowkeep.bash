.TH flowkeep 1
