"""Shows predictions to people and their tools: tables, pages, comparisons, evaluations, explanations."""
