"""Other people's files: catalogues of observed clusters read from any of their forms, and tables written for others."""
