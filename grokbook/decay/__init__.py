"""The clock of weight decay: ridge regression (paper RR), diagonal nets and matrices (paper DI)."""
