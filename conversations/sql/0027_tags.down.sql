UPDATE conversations_conversation c SET tags = (
  SELECT jsonb_agg(t.name ORDER BY t.name) FROM conversations_conversationtag l JOIN conversations_tag t ON t.id = l.tag_id
   WHERE l.conversation_id = c.id)
 WHERE EXISTS (SELECT FROM conversations_conversationtag l WHERE l.conversation_id = c.id);
