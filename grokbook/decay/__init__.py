"""The clock of weight decay (papers RR and DI): models that generalise when decay has run down."""
